"""DuckDB on a lake's snapshots: the queries' results, whatever characters are in the labels and the lake's path."""

import math
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from catalog.errors import CatalogError, QueryError
from catalog.lake import Lake, open_lake
from catalog.query.duck import DuckDB
from catalog.query.named import named_query
from tests.aws import AwsServer
from tests.lakes_by_hand import LABELS, append, small_lake, vectors

MORNING = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose path has characters that are special in URIs and globs."""
    made = small_lake(open_lake(str(tmp_path_factory.mktemp("l") / "my lake, 100% #1 [v1] {a,b} %25")))
    photo = {"content": b"\xff\xd8\xe9", "size": 1000, "ingested_at": MORNING}
    append(made, "bronze.images", [photo | {"image_id": str(n), "label": "Fig", "batch": "b1"} for n in range(3)])
    later = photo | {"ingested_at": MORNING + timedelta(days=1), "batch": "b2", "label": "Plum"}
    append(made, "bronze.images", [later | {"image_id": "9"}])
    shares = (0.7, 0.2, 0.1)
    append(
        made,
        "gold.pca_variance",
        [
            {"component": n + 1, "eigenvalue": 10 * s, "ratio": s, "cumulative": sum(shares[: n + 1]), "kept": n < 2}
            for n, s in enumerate(shares)
        ],
    )
    pairs = [(a, b) for a in LABELS for b in LABELS if a != b]
    similar = [
        {"label": a, "other_label": b, "cosine": 0.5, "rank": n % (len(LABELS) - 1) + 1}
        for n, (a, b) in enumerate(pairs)
    ]
    append(made, "gold.label_similarity", similar)
    return made


def ask(lake: Lake, sql: str, *values: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = DuckDB(lake).run(sql, values).rows.to_pylist()
    return rows


def ask_named(lake: Lake, name: str, **given: str) -> list[dict[str, Any]]:
    query = named_query(name)
    return ask(lake, query.sql, *query.values(given))


def test_outliers_are_far_from_the_centroid_of_their_label(lake: Lake) -> None:
    rows = ask_named(lake, "outliers")
    assert len(rows) == 2 * len(LABELS)
    assert {r["distance"] for r in rows} == {math.hypot(0.25, 0.5)}
    assert [r["label"] for r in ask_named(lake, "outliers", label="007")] == ["007", "007"]


def test_nearest_photos_come_by_cosine(lake: Lake) -> None:
    given, *others = vectors("007", (1.0, 6.0), (0.5, 7.0))
    rows = ask_named(lake, "nearest", image_id=given["image_id"])
    assert len(rows) == 10
    assert given["image_id"] not in {r["image_id"] for r in rows}
    assert [r["cosine"] for r in rows] == sorted((r["cosine"] for r in rows), reverse=True)
    cosine = (0.5 + 42) / math.hypot(1, 6) / math.hypot(0.5, 7)
    assert next(r["cosine"] for r in rows if r["image_id"] == others[0]["image_id"]) == pytest.approx(cosine, abs=1e-12)


def test_near_duplicates_are_pairs_of_other_labels_with_almost_one_direction(lake: Lake) -> None:
    rows = ask(lake, "select image_id, label, vector from gold.fruit_vectors")
    cosines = {
        (a["image_id"], b["image_id"]): sum(x * y for x, y in zip(a["vector"], b["vector"], strict=True))
        / (math.hypot(*a["vector"]) * math.hypot(*b["vector"]))
        for a in rows
        for b in rows
        if a["label"] < b["label"]
    }
    found = {(r["image_id"], r["other_id"]): r["cosine"] for r in ask_named(lake, "near_duplicates")}
    assert found == pytest.approx({pair: c for pair, c in cosines.items() if c >= 0.999})
    assert 0 < len(found) < len(cosines)
    of_one = ask_named(lake, "near_duplicates", label="007")
    assert 0 < len(of_one) < len(found) and all("007" in (r["label"], r["other_label"]) for r in of_one)


def test_the_other_queries_answer(lake: Lake) -> None:
    assert [r["cumulative"] for r in ask_named(lake, "explained_variance")] == pytest.approx([0.7, 0.9])
    assert [r["label"] for r in ask_named(lake, "photos_per_label")] == sorted(LABELS)
    assert [r["rank"] for r in ask_named(lake, "label_similarity", label="null")] == [1, 2, 3, 4, 5]
    assert ask_named(lake, "growth") == [
        {"batch": "b1", "ingested_at": MORNING, "photos": 3, "labels": 1, "bytes": 3000, "photos_so_far": 3},
        {
            "batch": "b2",
            "ingested_at": MORNING + timedelta(days=1),
            "photos": 1,
            "labels": 1,
            "bytes": 1000,
            "photos_so_far": 4,
        },
    ]


def test_during_a_refit_no_query_joins_vectors_with_the_centroids_of_another_pca(tmp_path: Path) -> None:
    lake = small_lake(open_lake(str(tmp_path / "l")))
    append(lake, "gold.fruit_vectors", vectors("Fig", (1.0, 2.0, 3.0), pca_id="pca-2"))
    append(lake, "gold.label_summary", [{"label": "Fig", "spread": 1.0, "centroid": [0.0, 0.0], "pca_id": "pca-1"}])
    rows = ask_named(lake, "outliers")
    assert "Fig" not in {r["label"] for r in rows}
    assert None not in {r["distance"] for r in rows}
    (fig,) = vectors("Fig", (1.0, 2.0, 3.0), pca_id="pca-2")
    assert ask_named(lake, "nearest", image_id=fig["image_id"]) == []


@pytest.mark.parametrize("label", LABELS)
def test_labels_are_what_was_written(label: str, lake: Lake) -> None:
    rows = ask(lake, "select label, count(*) as photos from gold.fruit_vectors where label = ? group by label", label)
    assert rows == [{"label": label, "photos": 2}]


def test_tables_go_by_their_layer_and_by_the_catalog_s_name(lake: Lake) -> None:
    by_layer = "select gold.label_summary.photos from gold.label_summary where gold.label_summary.label = '007'"
    for sql in (by_layer, by_layer.replace("gold.", "fruits_gold."), by_layer.replace("gold.", "FRUITS_GOLD.", 1)):
        assert ask(lake, sql) == [{"photos": 2}], sql
    both = "select count(*) as n from gold.label_summary a join fruits_gold.label_summary b on a.label = b.label"
    assert ask(lake, both) == [{"n": len(LABELS)}]
    with pytest.raises(QueryError, match=r"no table plums_gold.label_summary"):
        ask(lake, "select * from plums_gold.label_summary")


def test_a_value_is_never_sql(lake: Lake) -> None:
    sql = "select count(*) as photos from gold.fruit_vectors where label = ?"
    assert ask(lake, sql, "x' or '1' = '1") == [{"photos": 0}]


def test_times_are_utc_wherever_the_machine_is(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    sql = """select min(ingested_at) as first, hour(min(ingested_at)) as hour, cast(min(ingested_at) as date) as day,
        count_if(ingested_at >= timestamp '2026-11-23 00:00:00 UTC') as later from bronze.images"""
    rows = DuckDB(lake).run(sql).rows
    assert rows.schema.field("first").type == pa.timestamp("us", tz="UTC")
    assert rows.to_pylist() == [{"first": MORNING, "hour": 8, "day": MORNING.date(), "later": 1}]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select weight from gold.label_summary", "'weight' could not be resolved"),
        ("select 1 from gold.weights", "no table gold.weights: it has bronze.images"),
        ("select k from gold.pca", "no table gold.pca: it has .* so far; `fruitlake run` builds the others"),
        ("select * from pca", "pca"),
        ("select cast('x' as integer)", "DuckDB: Conversion Error"),
        ("select 1 from gold.label_summary for version as of 7", "FOR VERSION AS OF .* Athena's alone.*--as-of"),
        ("select 1 from gold.label_summary for timestamp as of timestamp '2026-01-01 00:00:00 UTC'", "--as-of"),
    ],
)
def test_what_cannot_be_answered_is_told(sql: str, says: str, lake: Lake) -> None:
    with pytest.raises(QueryError, match=says):
        ask(lake, sql)


def test_ctrl_c_stops_a_long_query(lake: Lake) -> None:
    forever = ", ".join(f"gold.fruit_vectors as t{n}" for n in range(12))
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(1.0):  # again, if a hook of the garbage collector has swallowed KeyboardInterrupt
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        ask(lake, f"select sum(t0.vector[1] * t1.vector[1] * t2.vector[1]) as s from {forever}")
    done.set()


@pytest.mark.parametrize("function", ["read_csv", "read_text", "read_parquet"])
def test_a_query_sees_the_lake_and_no_other_file(function: str, lake: Lake, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(QueryError, match="disabled"):
        ask(lake, f"select * from {function}('{secret}')")


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path / "l"))
    append(lake, "gold.label_summary", [])
    answer = DuckDB(lake).run("select label, photos, count(*) over () as n from gold.label_summary").rows
    assert (answer.num_rows, answer.column_names) == (0, ["label", "photos", "n"])


def test_there_is_no_lake(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no lake at"):
        ask(open_lake(str(tmp_path / "l")), "select k from gold.pca")
    assert not (tmp_path / "l").exists(), "a query must not create the lake"


def test_a_lake_in_a_bucket_is_read_too(aws: AwsServer) -> None:
    lake = small_lake(open_lake(f"s3://{aws.make_bucket('lake')}/my lake, 100% +1"))
    rows = ask(lake, "select count(distinct label) as labels from fruits_gold.fruit_vectors")
    assert rows == [{"labels": len(LABELS)}]
    with pytest.raises(CatalogError, match=r"another lake than 's3://lake/other'"):
        ask(open_lake("s3://lake/other"), "select 1 from gold.fruit_vectors")


def test_a_slow_query_draws_no_progress_bar_into_the_answer(
    lake: Lake, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = duckdb.connect

    def impatient(config: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(config=config)
        connection.execute("SET progress_bar_time = 200")  # ms; by default two seconds
        return connection

    monkeypatch.setattr(duckdb, "connect", impatient)
    a, b = (f"unnest(sequence(1, 12000)) as {name}(n)" for name in "ab")
    sql = f"select sum(a.n * b.n) as n from {a} cross join {b}"
    assert ask(lake, sql) != []
    assert capfd.readouterr().out == ""
