"""Publishing: what is written becomes readable whole, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from catalog.errors import AuditError, ConcurrentPublishError
from catalog.snapshot import Snapshot, new_id
from expectations.audit import AuditResult
from tests.lakes import Lake
from transforms.publish import publish
from transforms.run import Run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOOKALIKES = "label string, other_label string, cosine double, rank int"
REJECTS = (
    "source_path string, label string, reason string, detail string, size bigint, "
    "source_modified_at timestamp, quarantined_at timestamp"
)


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    return Lake(tmp_path / "photos", tmp_path / "lake", cache)


def lookalikes(run: Run, *rows: tuple[str, str, float, int]) -> DataFrame:
    return run.spark.createDataFrame(list(rows), LOOKALIKES)


def rejects(run: Run, *paths: str) -> DataFrame:
    rows = [(path, "Kiwi", "empty", "0 bytes", 0, None, NOON) for path in paths]
    return run.spark.createDataFrame(rows, REJECTS)


def folders(lake: Lake, table: str) -> list[str]:
    return sorted(p.name for p in (lake.path / table.replace(".", "/")).glob("*"))


def test_a_replacing_table_shows_its_last_snapshot_only(lake: Lake) -> None:
    for cosine in (0.1, 0.2):
        with lake.open() as run:
            publish(run, "gold.label_similarity", lookalikes(run, ("a", "b", cosine, 1)))
            assert [r.cosine for r in run.spark.table("gold.label_similarity").collect()] == [cosine]
    assert len(lake.catalog.history("gold.label_similarity")) == 2


def test_an_appending_table_shows_all_its_batches(lake: Lake) -> None:
    for path in ("one", "two"):
        with lake.open() as run:
            publish(run, "bronze.quarantine", rejects(run, path))
    with lake.open() as run:
        rows = run.spark.table("bronze.quarantine").collect()
    assert {r.source_path for r in rows} == {"one", "two"}
    assert len({r.batch for r in rows}) == 2
    current = lake.catalog.current("bronze.quarantine")
    assert current is not None
    assert (current.rows, current.parameters["rows_added"]) == (2, "1")


def test_no_new_rows_publish_nothing_but_an_empty_first_snapshot(lake: Lake) -> None:
    with lake.open() as run:
        first = publish(run, "bronze.quarantine", None)
        assert first.new
        assert run.spark.table("bronze.quarantine").count() == 0
    with lake.open() as run:
        assert not publish(run, "bronze.quarantine", rejects(run)).new
        assert not publish(run, "bronze.quarantine", None).new
    assert len(folders(lake, "bronze.quarantine")) == 1


def test_a_refused_audit_leaves_the_published_snapshot_and_no_files(lake: Lake) -> None:
    with lake.open() as run:
        publish(run, "gold.label_similarity", lookalikes(run, ("a", "b", 0.5, 1)))
    before = folders(lake, "gold.label_similarity")
    with lake.open() as run:
        twice = lookalikes(run, ("a", "b", 0.9, 1), ("a", "b", 0.8, 2))
        with pytest.raises(AuditError, match=r"column \(label, other_label\) breaks key_unique .*in 1 of 2"):
            publish(run, "gold.label_similarity", twice)
        assert [r.cosine for r in run.spark.table("gold.label_similarity").collect()] == [0.5]
    assert folders(lake, "gold.label_similarity") == before


def test_a_null_key_is_refused(lake: Lake) -> None:
    with lake.open() as run, pytest.raises(AuditError, match=r"column other_label breaks not_null .* in 1 of 1"):
        nameless = run.spark.createDataFrame([("a", None, 0.5, 1)], LOOKALIKES)
        publish(run, "gold.label_similarity", nameless)


@pytest.mark.parametrize(
    ("change", "says"),
    [("label, other_label, rank", "cosine is missing, not double"), ("*, 1L AS rank", "rank is bigint, not int")],
)
def test_other_columns_than_the_contracts_are_refused(change: str, says: str, lake: Lake) -> None:
    with lake.open() as run:
        rows = lookalikes(run, ("a", "b", 0.5, 1))
        rows = rows.drop("rank") if "AS rank" in change else rows
        with pytest.raises(AuditError, match=says):
            publish(run, "gold.label_similarity", rows.selectExpr(*change.split(", ")))
    assert folders(lake, "gold.label_similarity") == []


def test_a_failing_computation_leaves_no_files(lake: Lake) -> None:
    with lake.open() as run:
        failing = lookalikes(run, ("a", "b", 0.5, 1)).selectExpr(
            "label", "other_label", "1D/(rank-1) AS cosine", "rank"
        )
        with pytest.raises(PySparkException):
            publish(run, "gold.label_similarity", failing)
    assert folders(lake, "gold.label_similarity") == []
    assert lake.catalog.current("gold.label_similarity") is None


@pytest.mark.parametrize("table", ["gold.label_similarity", "bronze.quarantine"])
@pytest.mark.parametrize("before", ["nothing", "a snapshot"])
def test_a_run_that_was_overtaken_before_it_wrote_is_told(lake: Lake, table: str, before: str) -> None:
    """What it has computed was of the tables as they were when it began: published, it would be there twice."""

    def rows(run: Run) -> DataFrame:
        return rejects(run, "one") if table == "bronze.quarantine" else lookalikes(run, ("a", "b", 0.5, 1))

    if before == "a snapshot":
        with lake.open() as run:
            publish(run, table, rows(run))
    with lake.open() as run:
        mine = run.current(table)
        other = Snapshot(table, new_id(), "elsewhere", (), 1, 0, parent=mine.id if mine else None)
        assert not run.is_overtaken()
        run.catalog.publish(other)
        assert run.is_overtaken()
        seen = run.table(table)
        assert (seen.count() if seen is not None else 0) == (mine.rows if mine else 0)
        with pytest.raises(ConcurrentPublishError, match="run again"):
            publish(run, table, rows(run))
        assert not [name for name in folders(lake, table) if run.id in name]
    current = lake.catalog.current(table)
    assert current is not None
    assert current.id == other.id


def test_the_slower_of_two_runs_is_told_and_changes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with lake.open() as run:
        other = Snapshot("gold.label_similarity", "00000000T000000-0000", "elsewhere", (), 0, 0)

        def slow_audit(*_: object) -> AuditResult:
            run.catalog.publish(other)
            return AuditResult(1, ())

        monkeypatch.setattr("transforms.publish.audit", slow_audit)
        with pytest.raises(ConcurrentPublishError, match="run again"):
            publish(run, "gold.label_similarity", lookalikes(run, ("a", "b", 0.5, 1)))
    current = lake.catalog.current("gold.label_similarity")
    assert current is not None
    assert current.id == other.id
    assert folders(lake, "gold.label_similarity") == []
