"""Compaction merges small files and changes nothing else; the last commit of a publish keeps another run's."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

from catalog.branch import java_table
from catalog.compaction import compact
from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.lake import Lake as Tables
from catalog.maintenance import carry_out, forget, plan
from catalog.query.as_of import moment_of
from catalog.rollback import state_after
from catalog.scan import dataset, files_by_partition
from catalog.snapshots import rows_appended
from catalog.tables import TABLES
from tests.catalog.test_maintenance import DAY, VECTORS, labels, publish, tables, write
from transforms.inputs import inputs_of

__all__ = ["tables"]


def test_small_files_are_merged_and_nothing_else_changes(spark: SparkSession, tables: Tables) -> None:
    for _ in range(5):
        publish(write(spark, tables, "Fig", "Kiwi"))
    publish(write(spark, tables, "Plum"))
    before, rows = tables.current(VECTORS), dataset(tables, VECTORS).to_table().sort_by("image_id")
    assert before is not None
    made_of_it = inputs_of("gold.label_summary", [VECTORS], {VECTORS: before}, "")
    planned = plan(spark, tables, DAY)
    assert planned.small == ((VECTORS, 10),)
    carry_out(spark, tables, planned)
    after, loaded = tables.current(VECTORS), tables.load(VECTORS)
    assert after is not None and loaded is not None and after.id != before.id
    assert {label: len(uris) for label, uris in files_by_partition(loaded).items()} == {"Fig": 1, "Kiwi": 1, "Plum": 1}
    assert dataset(tables, VECTORS).to_table().sort_by("image_id") == rows
    assert after.properties == {**before.properties, "rows_of": str(before.id), "first": "false"}
    assert inputs_of("gold.label_summary", [VECTORS], {VECTORS: after}, "") == made_of_it
    assert rows_appended(loaded.metadata, before.id, after.id) == 0
    assert plan(spark, tables, DAY).small == ()


def test_a_merged_table_is_not_taken_for_one_made_later(spark: SparkSession, tables: Tables) -> None:
    """Its first snapshot has expired, and the merged one is younger than the run to which the lake is rolled back."""

    def other_table(run: str) -> None:
        tables.create(TABLES["gold.pca"])
        loaded = tables.load("gold.pca")
        assert loaded is not None
        nothing = TABLES["gold.pca"].arrow_schema.empty_table()
        loaded.append(nothing, snapshot_properties={"fruitlake.run_id": run, "fruitlake.first": "false"})

    other_table("20251231T000000-0000")
    for number in range(5):
        branch = write(spark, tables, "Fig")
        branch.fast_forward({"run_id": f"20260101T00000{number}-0000", "first": str(number == 0).lower()})
    other_table("20260102T000000-0000")
    compact(spark, tables, VECTORS)
    before = state_after(tables, "20260101T000004-0000")["gold.pca"]
    assert before is not None and before.run == "20251231T000000-0000", "a compaction is not the end of its run"
    as_of = tables.as_of("gold.pca", moment_of("20260101T000004-0000", tables))
    assert as_of == before
    assert forget(spark, tables, VECTORS)
    current = tables.current(VECTORS)
    assert current is not None and current.rows == 5
    assert state_after(tables, "20260102T000000-0000")[VECTORS] == current
    with pytest.raises(CatalogError, match="has been expired"):
        state_after(tables, "20251231T000000-0000")


def test_a_publish_during_a_compaction_wins(
    spark: SparkSession, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        publish(write(spark, tables, "Fig"))

    def overtaken(*arguments: Any) -> Any:
        publish(write(spark, tables, "Plum"))
        return java_table(*arguments)

    monkeypatch.setattr("catalog.compaction.java_table", overtaken)
    compact(spark, tables, VECTORS)
    after, loaded = tables.current(VECTORS), tables.load(VECTORS)
    assert after is not None and loaded is not None
    assert (after.rows, "rows_of" in after.properties, [*loaded.refs()]) == (6, False, ["main"])


def test_a_publish_in_the_middle_of_the_last_commit_is_not_lost(
    spark: SparkSession, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(write(spark, tables, "Fig"))
    mine, theirs = write(spark, tables, "Kiwi"), write(spark, tables, "Plum")

    class Overtaken:
        """An Iceberg table whose transaction is overtaken just before it is committed."""

        def __init__(self, table: Any) -> None:
            self.newTransaction = lambda: Overtaken(table.newTransaction())
            self._of = table

        def __getattr__(self, name: str) -> Any:
            return getattr(self._of, name)

        def commitTransaction(self) -> None:
            if not theirs._dropped:
                publish(theirs)
            self._of.commitTransaction()

    java_table = mine._java_table
    monkeypatch.setattr(mine, "_java_table", lambda: Overtaken(java_table()))
    with pytest.raises(ConcurrentPublishError):
        mine.fast_forward({"run_id": "mine"})
    mine.drop()
    assert labels(tables) == ["Fig", "Plum"]
