"""Compaction merges small files and changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from catalog.branch import java_table
from catalog.compaction import compact
from catalog.lake import Lake as Tables
from catalog.maintenance import carry_out, plan
from catalog.scan import dataset, files_by_partition
from catalog.snapshots import rows_appended
from tests.catalog.test_maintenance import DAY, VECTORS, publish, tables, write
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
    assert after.properties == {**before.properties, "rows_of": str(before.id)}
    assert inputs_of("gold.label_summary", [VECTORS], {VECTORS: after}, "") == made_of_it
    assert rows_appended(loaded.metadata, before.id, after.id) == 0
    assert plan(spark, tables, DAY).small == ()


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
