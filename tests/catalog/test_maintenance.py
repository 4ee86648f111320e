"""Vacuum removes exactly what no retained snapshot needs, but not files that a run may be writing."""

import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import fastavro
import pytest
from pyspark.sql import SparkSession

from bootstrap import session
from catalog.branch import AuditBranch, branch_name
from catalog.folder_lake import FolderLake
from catalog.lake import Lake as Tables
from catalog.maintenance import VacuumPlan, carry_out, drop_deleted_entries, forget, plan
from catalog.rollback import rollback_table
from catalog.scan import data_files, dataset
from catalog.snapshots import new_run_id
from catalog.storage import write_object
from catalog.tables import FRUIT_VECTORS, TABLES
from tests.lakes import Lake

VECTORS = FRUIT_VECTORS.name
DAY, NOW = timedelta(days=1), timedelta(0)


@pytest.fixture
def tables(tmp_path: Path, cache: Path, spark: SparkSession) -> Iterator[Tables]:
    """A lake without tables, opened as the session's catalog."""
    settings = Lake(tmp_path / "photos", tmp_path / "lake", cache).settings()
    lake = settings.open_lake()
    session.start(settings, lake)
    yield lake


def write(spark: SparkSession, lake: Tables, *labels: str, replace: bool = False, table: str = VECTORS) -> AuditBranch:
    """A branch with one vector per label, not published yet."""
    branch = AuditBranch(spark, lake, TABLES[table], new_run_id(), lake.current(table))
    rows = spark.createDataFrame([(f"{label} {replace}", [1.0], "p", label) for label in labels], FRUIT_VECTORS.ddl)
    (branch.overwrite if replace else branch.append)(rows)
    return branch


def publish(branch: AuditBranch) -> None:
    branch.fast_forward({"run_id": "r", "audit_result": "passed"})
    branch.drop()


def state(lake: Tables) -> dict[str, tuple[int, int]]:
    """Every file with its size and modification time."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in Path(lake.uri).rglob("*")}


def labels(lake: Tables) -> list[str]:
    return sorted(dataset(lake, VECTORS).to_table(columns=["label"])["label"].to_pylist())


def files_of(lake: Tables) -> dict[str, int]:
    loaded = lake.load(VECTORS)
    assert loaded is not None
    return data_files(loaded)


def folder(lake: Tables) -> Path:
    return Path(lake.location(VECTORS))


def test_old_snapshots_go_and_the_current_one_stays_however_old(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana", "Kiwi Half"))
    old = files_of(tables)
    publish(write(spark, tables, "Plum", replace=True))
    current, older = tables.history(VECTORS)
    before = state(tables)
    assert plan(spark, tables, DAY) == VacuumPlan(), "snapshots of the same publish are kept together"
    planned = plan(spark, tables, NOW)
    assert (VECTORS, older.id) in planned.snapshots and (VECTORS, current.id) not in planned.snapshots
    assert (planned.branches, planned.orphans, planned.leftovers) == ((), (), ())
    assert planned.size == sum(old.values())
    assert state(tables) == before, "planning must change nothing"
    carry_out(spark, tables, planned)
    assert tables.history(VECTORS) == [current]
    assert labels(tables) == ["Plum"]
    assert not [file for file in old if os.path.exists(file)]
    assert [path.name for path in (folder(tables) / "data").iterdir()] == ["label=Plum"]
    assert plan(spark, tables, NOW) == VacuumPlan()


def test_files_that_a_newer_snapshot_shares_stay(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana"))
    publish(write(spark, tables, "Plum"))
    planned = plan(spark, tables, NOW)
    assert planned.size == 0
    carry_out(spark, tables, planned)
    assert len(tables.history(VECTORS)) == 1
    assert labels(tables) == ["Banana", "Plum"]


def test_after_a_rollback_the_newer_snapshot_goes(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana"))
    publish(write(spark, tables, "Plum", replace=True))
    older = tables.history(VECTORS)[1]
    rollback_table(tables, VECTORS, older.id)
    carry_out(spark, tables, plan(spark, tables, NOW))
    assert tables.history(VECTORS) == [older]
    assert labels(tables) == ["Banana"]


def test_what_killed_runs_left_goes_at_once(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana"))
    kept = state(tables).keys()
    write(spark, tables, "Plum")
    [file] = files_of(tables)
    orphan = Path(file).with_name("00000-orphan.parquet")
    orphan.write_bytes(Path(file).read_bytes())
    half_written = f"{tables.uri}/reports/index.html.77.tmp"
    write_object(half_written, b"half")
    before = state(tables)
    planned = plan(spark, tables, 30 * DAY)
    assert [table for table, _ in planned.branches] == [VECTORS]
    assert len(planned.snapshots) == 1
    assert planned.orphans == ((VECTORS, str(orphan)),)
    assert planned.leftovers == (half_written,)
    assert planned.size > orphan.stat().st_size + len(b"half")
    assert state(tables) == before, "planning must change nothing"
    carry_out(spark, tables, planned)
    loaded = tables.load(VECTORS)
    assert loaded is not None and set(loaded.refs()) == {"main"}
    assert not orphan.exists() and not os.path.exists(half_written)
    assert not [path for path in Path(tables.uri).rglob("*Plum*")]
    assert {path for path in kept if "/data/" in path} == {path for path in state(tables) if "/data/" in path}
    assert labels(tables) == ["Banana"]
    assert plan(spark, tables, NOW) == VacuumPlan()


def test_a_first_publish_that_was_killed_leaves_no_rows(spark: SparkSession, tables: Tables) -> None:
    write(spark, tables, "Banana")
    carry_out(spark, tables, plan(spark, tables, 30 * DAY))
    assert not list(folder(tables).rglob("*.parquet"))
    assert plan(spark, tables, NOW) == VacuumPlan()
    publish(write(spark, tables, "Plum"))
    assert labels(tables) == ["Plum"]


def test_files_of_a_table_that_was_dropped_go(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana"))
    tables.catalog.drop_table(tables.identifier(VECTORS))
    carry_out(spark, tables, plan(spark, tables, 30 * DAY))
    assert not folder(tables).exists()


def test_what_is_not_ours_stays(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana"))
    for name in ("notes/mine.parquet", "gold/mine/part.parquet", "reports/index.html", "model/net.onnx", "mine.7.tmp"):
        write_object(f"{tables.uri}/{name}", b"mine")
    assert plan(spark, tables, NOW) == VacuumPlan()


def test_where_nothing_locks_a_run_has_a_day(
    spark: SparkSession, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a bucket, where a run may still be writing a recent file."""
    monkeypatch.setattr(FolderLake, "locks", False)
    publish(write(spark, tables, "Banana"))
    write(spark, tables, "Plum")
    young, old = folder(tables) / "data" / "young.parquet", folder(tables) / "data" / "old.parquet"
    dropped = Path(tables.location("gold.pca")) / "data" / "young.parquet"
    dropped.parent.mkdir(parents=True)
    for file in (young, old, dropped):
        file.write_bytes(b"rows")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    planned = plan(spark, tables, NOW)
    assert planned.orphans == ((VECTORS, str(old)),)
    assert (planned.branches, planned.snapshots) == ((), ())
    planned = plan(spark, tables, NOW, at_once=True)
    assert {uri for _, uri in planned.orphans} == {str(young), str(old), str(dropped)}
    assert len(planned.branches) == len(planned.snapshots) == 1
    for file in (young, dropped):
        os.utime(file, (yesterday, yesterday))
    AuditBranch(spark, tables, FRUIT_VECTORS, "20260101T000000-dead", tables.current(VECTORS))
    planned = plan(spark, tables, NOW)
    assert {uri for _, uri in planned.orphans} == {str(young), str(old), str(dropped)}
    assert planned.branches == ((VECTORS, branch_name("20260101T000000-dead")),)


def test_nothing_tells_of_rows_once_they_are_deleted_and_forgotten(spark: SparkSession, tables: Tables) -> None:
    publish(write(spark, tables, "Banana", "Kiwi Half", "Zebra fruit"))
    branch = AuditBranch(spark, tables, FRUIT_VECTORS, new_run_id(), tables.current(VECTORS))
    branch.delete("label IN ('Zebra fruit', 'Banana')")
    publish(branch)
    published = tables.current(VECTORS)
    drop_deleted_entries(spark, tables, VECTORS)
    rewritten = tables.current(VECTORS)
    assert published is not None and rewritten is not None
    assert rewritten.id != published.id
    assert (rewritten.properties, rewritten.rows) == (published.properties, 1)
    drop_deleted_entries(spark, tables, VECTORS)
    assert tables.current(VECTORS) == rewritten, "there is nothing left to do"
    assert forget(spark, tables, VECTORS) > 1
    assert tables.history(VECTORS) == [rewritten]
    assert labels(tables) == ["Kiwi Half"]
    for path in folder(tables).rglob("*"):
        told = path.name
        if path.suffix == ".avro":
            with path.open("rb") as file:
                told += repr(list(fastavro.reader(file)))
        elif path.suffix == ".json":
            told += path.read_text()
            assert {s["snapshot-id"] for s in json.loads(path.read_text())["snapshots"]} == {rewritten.id}
        assert "Zebra" not in told and "Banana" not in told, path
    assert plan(spark, tables, NOW) == VacuumPlan()
