"""The Athena client, with a server that speaks Athena's protocol: rows, costs, and every kind of failure."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog import aws
from catalog.errors import AwsError, QueryError
from catalog.lake import Lake, open_lake
from catalog.query import athena as athena_module
from catalog.query.as_of import moment_of
from catalog.query.athena import Athena
from catalog.query.named import named_queries, named_query
from catalog.query.sync import sync_queries
from tests.athena import AthenaServer, athena_server

LAKE: Lake = open_lake("s3://lake/fruits")
OUTPUT = "s3://results/here"


@pytest.fixture(scope="module")
def server() -> Iterator[AthenaServer]:
    with athena_server() as running:
        yield running


@pytest.fixture
def athena(server: AthenaServer, monkeypatch: pytest.MonkeyPatch) -> AthenaServer:
    """A server without data, and the variables that point to it."""
    server.reset()
    server.ending = {}
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(athena_module, "_POLL", 0.01)
    return server


def ask(sql: str = "select 1 as one", *values: str, progress: Callable[[str], None] = lambda _: None) -> object:
    return Athena(LAKE, "primary", OUTPUT, progress=progress).run(sql, values)


def test_a_query_is_asked_in_athena_s_names_with_its_values_apart(athena: AthenaServer) -> None:
    athena.answers([("label", "varchar"), ("photos", "bigint")], ["Pêche d'été", "3"], ["label", "1"])
    athena.ending = {"DataScannedInBytes": 3_400_000, "TotalExecutionTimeInMillis": 1500}
    query = named_query("outliers")
    answer = Athena(LAKE, "primary", OUTPUT).run(query.sql, query.values({"label": "d'été"}))
    assert answer.rows.to_pylist() == [{"label": "Pêche d'été", "photos": 3}, {"label": "label", "photos": 1}]
    assert (answer.engine, answer.seconds) == ("Athena", 1.5)
    assert answer.facts[0].startswith("3,400,000 bytes scanned, about $0.00005 ")
    (asked,) = athena.queries
    assert "from fruits_gold.fruit_vectors as vectors" in asked.query
    assert asked.execution_parameters == ["'d''été'"]
    assert asked.config["OutputLocation"].startswith(OUTPUT)


def test_types_come_back(athena: AthenaServer) -> None:
    values = {
        "integer": ("7", 7),
        "bigint": ("-9000000000", -9_000_000_000),
        "double": ("1.5E-7", 1.5e-7),
        "float": ("0.5", 0.5),
        "boolean": ("false", False),
        "varchar": ("", ""),
        "date": ("2026-11-22", date(2026, 11, 22)),
        "timestamp": ("2026-11-22 18:45:01.250", datetime(2026, 11, 22, 18, 45, 1, 250_000)),
        "timestamp with time zone": (
            "2026-11-22 18:45:01.250000 UTC",
            datetime(2026, 11, 22, 18, 45, 1, 250_000, UTC),
        ),
        "decimal": ("12.50", Decimal("12.50")),
        "varbinary": ("ff d8 00", b"\xff\xd8\x00"),
        "array": ("[7, 007]", "[7, 007]"),
        "map": ("{a=1}", "{a=1}"),
        "row": ("{x=1}", "{x=1}"),
    }
    columns = [(f"c_{name}", name) for name in values]
    athena.answers(columns, [text for text, _ in values.values()], [None] * len(values))
    answer = Athena(LAKE, "primary", OUTPUT).run("select 1 as x")
    first, second = answer.rows.to_pylist()
    assert list(first.values()) == [value for _, value in values.values()]
    assert set(second.values()) == {None}


def test_the_lake_s_vectors_are_numbers_and_other_arrays_of_their_name_stay_text(athena: AthenaServer) -> None:
    athena.answers([("vector", "array"), ("centroid", "array")], ["[1.0, 2.5E-5]", "[null, NaN]"], [None, "[]"])
    rows = Athena(LAKE, "primary", OUTPUT).run("select 1 as x").rows
    assert rows.schema.types == [pa.list_(pa.float32()), pa.list_(pa.float64())]
    assert rows["vector"].to_pylist() == [pytest.approx([1.0, 2.5e-5]), None]
    assert str(rows["centroid"].to_pylist()) == "[[None, nan], []]"
    athena.answers([("vector", "array")], ["[a, b]"])
    assert Athena(LAKE, "primary", OUTPUT).run("select 1 as x").rows["vector"].to_pylist() == ["[a, b]"]


def test_rows_come_from_all_pages(athena: AthenaServer) -> None:
    athena.answers([("label", "varchar")], *([f"label {n}"] for n in range(2500)))
    rows = Athena(LAKE, "primary", OUTPUT).run("select 1 as x").rows
    assert rows["label"].to_pylist() == [f"label {n}" for n in range(2500)]


def test_no_rows_still_have_columns(athena: AthenaServer) -> None:
    athena.answers([("label", "varchar")])
    answer = Athena(LAKE, "primary", OUTPUT).run("select label from gold.label_summary")
    assert (answer.rows.num_rows, answer.rows.column_names) == (0, ["label"])


def test_waiting_is_told(athena: AthenaServer) -> None:
    athena.answers([("one", "integer")], ["1"])
    athena.takes(2)
    said: list[str] = []
    ask(progress=said.append)
    assert said[0] == "Athena: queued, 0 bytes scanned"
    assert said[-1] == "Athena: running, 0 bytes scanned"


def test_an_answer_that_was_there_costs_nothing(athena: AthenaServer) -> None:
    athena.answers([("one", "integer")], ["1"])
    athena.ending = {"ResultReuseInformation": {"ReusedPreviousResult": True}}
    answer = Athena(LAKE, "primary", OUTPUT).run("select 1 as one")
    assert "nothing scanned" in answer.facts[0]


def test_who_stops_waiting_stops_the_query(athena: AthenaServer) -> None:
    athena.takes(1000)

    def ctrl_c(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(progress=ctrl_c)
    assert [q._status for q in athena.queries] == ["CANCELLED"]


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ({"State": "FAILED", "StateChangeReason": "DIVISION_BY_ZERO: / by zero"}, "could not run.*DIVISION_BY_ZERO"),
        (
            {"State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND: line 1:8: Table 'x' does not exist"},
            "TABLE_NOT_FOUND.*is the lake published, and --database-prefix right",
        ),
        (
            {
                "State": "CANCELLED",
                "StateChangeReason": "Query cancelled! : Bytes scanned limit was exceeded",
                "DataScannedInBytes": 11_000_000,
            },
            r"'primary' stopped the query at its limit.*11,000,000 read.*have the limit raised",
        ),
        ({"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}, "cancelled in Athena: .*by user"),
    ],
)
def test_a_query_that_ends_badly_says_why(ending: dict[str, object], says: str, athena: AthenaServer) -> None:
    athena.ending = ending
    with pytest.raises(QueryError, match=says):
        ask()


def test_a_missing_workgroup_or_output_location_names_the_option(athena: AthenaServer) -> None:
    with pytest.raises(QueryError, match=r"no workgroup 'nobodys'.*--workgroup"):
        Athena(LAKE, "nobodys", OUTPUT).run("select 1 as one")
    with pytest.raises(QueryError, match="names no place for results: give --output-location"):
        Athena(LAKE).run("select 1 as one")
    with pytest.raises(QueryError, match="no workgroup 'nobodys'"):
        sync_queries(aws.client("athena"), "fruits", "nobodys")


def test_aws_that_is_not_there_is_told(athena: AthenaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AwsError, match=r"Athena cannot be asked: .*127.0.0.1:1"):
        ask()


def test_nothing_but_reading_reaches_athena(athena: AthenaServer) -> None:
    with pytest.raises(QueryError, match="only reads"):
        ask("drop table gold.pca")
    assert athena.queries == []


def test_nothing_is_said_twice(athena: AthenaServer, capfd: pytest.CaptureFixture[str]) -> None:
    """PyAthena logs every failure with its traceback, which Python would print."""
    athena.ending = {"State": "FAILED", "StateChangeReason": "DIVISION_BY_ZERO: / by zero"}
    with pytest.raises(QueryError):
        ask()
    with pytest.raises(QueryError, match="no workgroup"):
        Athena(LAKE, "nobodys", OUTPUT).run("select 1 as one")
    assert capfd.readouterr().err.count("pyathena") == 0


def test_the_past_is_asked_for_table_by_table(athena: AthenaServer) -> None:
    athena.holds(LAKE.uri)
    snapshot = LAKE.current("gold.fruit_vectors")
    assert snapshot is not None
    athena.answers([("n", "bigint")], ["1"])
    moment = moment_of(str(snapshot.id), LAKE)
    then = Athena(LAKE, "primary", OUTPUT, moment)
    assert then.run("select count(*) as n from gold.fruit_vectors v").rows.to_pylist() == [{"n": 1}]
    (asked,) = athena.queries
    at = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
    assert asked.query.endswith(f"from fruits_gold.fruit_vectors FOR TIMESTAMP AS OF TIMESTAMP '{at} UTC' v")
    with pytest.raises(QueryError, match=r"gold.fruit_vectors has no version as of 2001"):
        Athena(LAKE, "primary", OUTPUT, datetime(2001, 1, 1, tzinfo=UTC)).run("select 1 from gold.fruit_vectors")
    with pytest.raises(QueryError, match=r"no table gold.pca"):
        then.run("select 1 from gold.pca")
    assert len(athena.queries) == 1


def test_syncing_creates_updates_and_leaves_others_alone(athena: AthenaServer) -> None:
    client = aws.client("athena")
    for number in range(60):  # more than fit on one page, or in one call
        client.create_named_query(Name=f"theirs {number}", Database="theirs", QueryString="select 1")
    client.create_named_query(Name="fruits_growth", Database="theirs", QueryString="select 2")
    names = [f"fruits_{q.name}" for q in named_queries()]

    assert sync_queries(client, "fruits", "primary") == dict.fromkeys(names, "created")
    assert sync_queries(client, "fruits", "primary") == dict.fromkeys(names, "unchanged")

    stored = {(q.database, q.name): q for q in athena.backend.named_queries.values()}
    nearest = stored["fruits_gold", "fruits_nearest"]
    assert nearest.description == named_query("nearest").answers
    assert "from fruits_gold.fruit_vectors" in nearest.query_string
    nearest.query_string = "select 'an older version'"
    assert sync_queries(client, "fruits", "primary") == dict.fromkeys(names, "unchanged") | {
        "fruits_nearest": "updated"
    }
    assert "from fruits_gold.fruit_vectors" in nearest.query_string
    assert stored["theirs", "fruits_growth"].query_string == "select 2"
    assert len(athena.backend.named_queries) == 61 + len(names)

    assert set(sync_queries(client, "plums", "primary").values()) == {"created"}, "another lake has queries of its own"
