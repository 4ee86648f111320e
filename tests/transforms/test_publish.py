"""Publishing: a change becomes readable completely, or not at all."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.errors import PySparkException

from catalog.branch import AuditBranch
from catalog.errors import AuditError, ConcurrentPublishError
from catalog.tables import TABLES
from expectations.audit import AuditResult, validate
from tests.lakes import Lake
from transforms.publish import publish
from transforms.run import BuildResult, Run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLE = "gold.label_similarity"
LOOKALIKES = TABLES[TABLE].ddl
REJECTS = TABLES["bronze.quarantine"].ddl


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    return Lake(tmp_path / "photos", tmp_path / "lake", cache)


def lookalikes(run: Run, *rows: tuple[str, str, float, int]) -> BuildResult:
    return BuildResult(run.spark.createDataFrame([(*row, "p") for row in rows], LOOKALIKES), replace=True)


def rejects(run: Run, *paths: str) -> BuildResult:
    rows = [(path, "Kiwi", "empty", "0 bytes", 0, None, NOON, run.id) for path in paths]
    return BuildResult(run.spark.createDataFrame(rows, REJECTS))


def branches(lake: Lake, table: str = TABLE) -> set[str]:
    loaded = lake.tables.load(table)
    return set(loaded.refs()) if loaded else set()


def test_a_replacing_table_shows_its_last_snapshot_only(lake: Lake) -> None:
    for cosine in (0.1, 0.2):
        with lake.open() as run:
            publish(run, TABLE, lookalikes(run, ("a", "b", cosine, 1)))
            assert [r.cosine for r in run.spark.table("fruits_gold.label_similarity").collect()] == [cosine]
    assert len(lake.tables.history(TABLE)) == 2


def test_an_appending_table_shows_all_its_batches(lake: Lake) -> None:
    for path in ("one", "two"):
        with lake.open() as run:
            publish(run, "bronze.quarantine", rejects(run, path))
    with lake.open() as run:
        rows = run.spark.table("fruits_bronze.quarantine").collect()
    assert {r.source_path for r in rows} == {"one", "two"}
    assert len({r.batch for r in rows}) == 2
    current = lake.current("bronze.quarantine")
    assert (current.rows, current.properties["rows_added"]) == (2, "1")


def test_no_new_rows_publish_nothing_but_an_empty_first_snapshot(lake: Lake) -> None:
    with lake.open() as run:
        first = publish(run, "bronze.quarantine", None)
        assert first.new
        assert run.spark.table("fruits_bronze.quarantine").count() == 0
    with lake.open() as run:
        assert not publish(run, "bronze.quarantine", rejects(run)).new
        assert not publish(run, "bronze.quarantine", None).new
    assert len(lake.tables.history("bronze.quarantine")) == 1


def test_a_refused_audit_leaves_the_published_snapshot_and_no_branch(lake: Lake) -> None:
    with lake.open() as run:
        publish(run, TABLE, lookalikes(run, ("a", "b", 0.5, 1)))
    before = lake.tables.current(TABLE)
    with lake.open() as run:
        twice = lookalikes(run, ("a", "b", 0.9, 1), ("a", "b", 0.8, 2))
        with pytest.raises(AuditError, match="column label, other_label breaks unique in 1 of 2 rows"):
            publish(run, TABLE, twice)
        assert [r.cosine for r in run.spark.table("fruits_gold.label_similarity").collect()] == [0.5]
    assert lake.tables.current(TABLE) == before
    assert branches(lake) == {"main"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("label, other_label, rank, pca_id", "cosine is missing, not double"),
        ("label, other_label, cosine, 1L AS rank, pca_id", "rank is bigint, not int"),
    ],
)
def test_other_columns_than_the_contracts_are_refused(change: str, says: str, lake: Lake) -> None:
    with lake.open() as run:
        rows = lookalikes(run, ("a", "b", 0.5, 1)).rows.selectExpr(*change.split(", "))
        with pytest.raises(AuditError, match=says):
            publish(run, TABLE, BuildResult(rows, replace=True))
    assert lake.tables.load(TABLE) is None


def test_a_failing_computation_publishes_nothing(lake: Lake) -> None:
    with lake.open() as run:
        rows = lookalikes(run, ("a", "b", 0.5, 1)).rows
        failing = rows.selectExpr("label", "other_label", "1D/(rank-1) AS cosine", "rank", "pca_id")
        with pytest.raises(PySparkException):
            publish(run, TABLE, BuildResult(failing, replace=True))
    assert lake.tables.current(TABLE) is None
    assert branches(lake) == set()


@pytest.mark.parametrize("before", ["nothing", "a snapshot"])
def test_a_run_that_was_overtaken_before_it_wrote_is_told(lake: Lake, before: str) -> None:
    """Its rows were computed from the tables as of its start: publishing them would duplicate the other run's."""
    table = "bronze.quarantine"
    if before == "a snapshot":
        with lake.open() as run:
            publish(run, table, rejects(run, "one"))
    with lake.open() as slower, lake.open() as faster:
        assert publish(faster, table, rejects(faster, "one")).new
        with pytest.raises(ConcurrentPublishError, match="run again"):
            publish(slower, table, rejects(slower, "one"))
    assert lake.current(table).run == faster.id
    assert branches(lake, table) == {"main"}


def test_the_slower_of_two_runs_is_told_and_changes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with lake.open() as slower, lake.open() as faster:

        def publish_meanwhile(*_: object) -> AuditResult:
            with monkeypatch.context() as patch:
                patch.setattr("transforms.publish.validate", validate)
                publish(faster, TABLE, lookalikes(faster, ("a", "b", 0.7, 1)))
            return AuditResult(1, (), 0.0)

        monkeypatch.setattr("transforms.publish.validate", publish_meanwhile)
        with pytest.raises(ConcurrentPublishError, match="run again"):
            publish(slower, TABLE, lookalikes(slower, ("a", "b", 0.5, 1)))
    assert [row["cosine"] for row in lake.rows(TABLE)] == [0.7]
    assert branches(lake) == {"main"}


def test_what_is_made_of_a_table_that_another_run_published_meanwhile_is_refused(lake: Lake) -> None:
    with lake.open() as slower, lake.open() as faster:
        publish(faster, "bronze.quarantine", rejects(faster, "one"))
        with pytest.raises(ConcurrentPublishError, match=r"bronze\.quarantine"):
            publish(slower, TABLE, lookalikes(slower, ("a", "b", 0.5, 1)), upstream=["bronze.quarantine"])
    assert lake.tables.current(TABLE) is None
    assert branches(lake) == set()


def test_branches_of_killed_runs_are_dropped_by_the_next_run(lake: Lake) -> None:
    with lake.open() as run:
        publish(run, TABLE, lookalikes(run, ("a", "b", 0.5, 1)))
        AuditBranch(run.spark, run.lake, TABLES[TABLE], "20260101T000000-dead", run.current(TABLE))
    assert branches(lake) == {"main", "audit_20260101T000000_dead"}
    with lake.open():
        assert branches(lake) == {"main"}


def test_the_facts_of_a_publish_are_in_its_snapshot(lake: Lake) -> None:
    with lake.open() as run:
        published = publish(run, TABLE, lookalikes(run, ("a", "b", 0.5, 1)), inputs="x@1")
    loaded = lake.tables.load(TABLE)
    assert loaded is not None
    snapshot = loaded.current_snapshot()
    assert snapshot is not None and snapshot.summary is not None
    summary = snapshot.summary.additional_properties
    assert published.snapshot is not None and published.snapshot.id == snapshot.snapshot_id
    assert (summary["fruitlake.run_id"], summary["fruitlake.inputs"]) == (run.id, "x@1")
    assert summary["fruitlake.audit_result"] in ("passed", "warned")
    assert summary["total-records"] == "1"
