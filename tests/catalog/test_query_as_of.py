"""--as-of: every table as readers saw it at one point in time."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.errors import QueryError
from catalog.lake import Lake, open_lake
from catalog.query.as_of import moment_of
from catalog.query.duck import DuckDB
from catalog.query.text import for_athena
from catalog.snapshots import Snapshot
from tests.lakes_by_hand import append, vectors

COUNT = "select count(*) as n from gold.fruit_vectors"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return open_lake(str(tmp_path_factory.mktemp("lake")))


@pytest.fixture(scope="module")
def versions(lake: Lake) -> list[Snapshot]:
    """Versions of two runs, some milliseconds apart: both add photos, and the second then adds a summary."""
    found = []
    for number, table in enumerate(("gold.fruit_vectors", "gold.fruit_vectors", "gold.label_summary")):
        rows = vectors("Fig", (1.0,)) if table == "gold.fruit_vectors" else [{"label": "Fig", "photos": 2}]
        found.append(append(lake, table, rows, run=f"20261122T18450{min(number, 1)}-0001"))
        time.sleep(0.02)
    return found


def rows(lake: Lake, sql: str, as_of: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = DuckDB(lake, moment_of(as_of, lake)).run(sql).rows.to_pylist()
    return found


def test_a_snapshot_is_read_as_of_when_it_became_current(lake: Lake, versions: list[Snapshot]) -> None:
    assert [rows(lake, COUNT, str(v.id)) for v in versions] == [[{"n": 1}], [{"n": 2}], [{"n": 2}]]


def test_a_time_lies_between_versions(lake: Lake, versions: list[Snapshot]) -> None:
    second = moment_of(str(versions[1].id), lake)
    assert rows(lake, COUNT, second.isoformat()) == [{"n": 2}]
    assert rows(lake, COUNT, (second - timedelta(milliseconds=1)).isoformat()) == [{"n": 1}]


def test_a_run_is_read_as_of_its_last_table(lake: Lake, versions: list[Snapshot]) -> None:
    assert moment_of(versions[2].run, lake) == moment_of(str(versions[2].id), lake)
    assert moment_of(versions[0].run, lake) == moment_of(str(versions[0].id), lake)


def test_a_table_that_was_not_there_yet_says_so(lake: Lake, versions: list[Snapshot]) -> None:
    joined = "select count(*) as n from gold.fruit_vectors v join gold.label_summary s on v.label = s.label"
    assert rows(lake, joined, str(versions[2].id)) == [{"n": 2}]
    with pytest.raises(
        QueryError, match=r"^gold.label_summary has no version as of .*: the oldest that is kept became"
    ):
        rows(lake, joined, str(versions[1].id))
    with pytest.raises(QueryError, match=r"^gold.fruit_vectors has no version as of 2001-01-01T00:00:00.000\+00:00"):
        rows(lake, COUNT, "2001-01-01")


def test_times_without_a_zone_are_utc(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        noon = datetime(2025, 11, 22, 12, tzinfo=UTC)
        for text in ("2025-11-22T12:00", "2025-11-22 12:00:00", "2025-11-22T12:00Z", "2025-11-22T13:00+01:00"):
            assert moment_of(text, lake) == noon
            assert moment_of(text, lake).isoformat() == noon.isoformat()
        assert moment_of("20251122", lake) == moment_of("2025-11-22", lake) == noon.replace(hour=0)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["yesterday", "123456789", "20261122T184500-ffff", "", "2026-13-01"])
def test_what_is_none_of_them_names_those_there_are(text: str, lake: Lake, versions: list[Snapshot]) -> None:
    with pytest.raises(QueryError, match=rf"--as-of cannot be '{text}'.*gold.fruit_vectors {versions[1].id}, ") as said:
        moment_of(text, lake)
    assert "\n" not in str(said.value)


def test_the_future_is_not_known(lake: Lake) -> None:
    with pytest.raises(QueryError, match="in the future"):
        moment_of("2999-01-01", lake)


def test_after_a_rollback_the_past_stays_what_it_was(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path / "l"))
    first, second = (append(lake, "gold.fruit_vectors", vectors(label, (1.0,))) for label in ("Fig", "Plum"))
    loaded = lake.load("gold.fruit_vectors")
    assert loaded is not None
    time.sleep(0.02)
    loaded.manage_snapshots().set_current_snapshot(snapshot_id=first.id).commit()
    assert DuckDB(lake).run(COUNT).rows.to_pylist() == [{"n": 1}]
    assert rows(lake, COUNT, str(second.id)) == [{"n": 2}]


MOMENT = datetime(2026, 11, 22, 18, 45, 1, 250_999, UTC)
AT = "FOR TIMESTAMP AS OF TIMESTAMP '2026-11-22 18:45:01.250 UTC'"


def test_athena_reads_every_table_of_the_lake_as_of_the_moment() -> None:
    sql = """-- gold.pca
with pca as (select * from gold.pca p)
select fruits_gold.label_summary.label from "fruits_gold".label_summary
join (select gold.fruit_vectors.* from GOLD.fruit_vectors) v on true, pca, unnest(array[1]) u(x)"""
    assert (
        for_athena(sql, "fruits", MOMENT)
        == f"""-- gold.pca
with pca as (select * from fruits_gold.pca {AT} p)
select fruits_gold.label_summary.label from fruits_gold.label_summary {AT}
join (select fruits_gold.fruit_vectors.* from fruits_gold.fruit_vectors {AT}) v on true, pca, unnest(array[1]) u(x)"""
    )


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select 1 from gold.pca for version as of 7", "FOR VERSION AS OF"),
        ("select 1 from gold.pca, other.things", "'other.things' is not a table of the lake"),
        ("select 1 from pca", "'pca' is not a table of the lake"),
    ],
)
def test_athena_mixes_no_other_times_in(sql: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        for_athena(sql, "fruits", MOMENT)
    assert for_athena(sql, "fruits").replace("fruits_", "") == sql, "without --as-of, Athena decides"
