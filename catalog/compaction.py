"""Compact a table: merge the small files left by many small appends, such as a stream's batches.

current snapshot ──rewriteDataFiles──▶ branch ──fast_forward──▶ main, unless the table was published in the meantime

No row changes, so the new snapshot keeps the properties of the previous one, including its audit. Its property
`rows_of` is the id of the snapshot with the same rows, so tables built from that snapshot still count as up to date.
"""

from contextlib import suppress
from typing import Any

from pyspark.sql import SparkSession

from catalog.branch import AuditBranch, java_table
from catalog.errors import ConcurrentPublishError
from catalog.lake import Lake
from catalog.scan import files_by_partition
from catalog.snapshots import PROPERTY, ROWS_OF, new_run_id
from catalog.tables import FRUIT_VECTORS, IMAGE_FEATURES, IMAGES, TABLES

COMPACTED = (IMAGES.name, IMAGE_FEATURES.name, FRUIT_VECTORS.name)  # the tables that rows are added to
_SMALL = 16 * 1024**2  # bytes; larger files stay, so that a stream does not rewrite them every few batches
_FEWEST = 5  # files per partition that are worth merging, as by Iceberg's default


def small_files(lake: Lake, table: str) -> int:
    """Number of data files that compacting the table would merge."""
    loaded = lake.load(table)
    if loaded is None:
        return 0
    small = [sum(size < _SMALL for size in part.values()) for part in files_by_partition(loaded).values()]
    return sum(count for count in small if count >= _FEWEST)


def compact(spark: SparkSession, lake: Lake, table: str) -> None:
    """Merge the small files of a table. If the table is published in the meantime, its files stay as they are."""
    current = lake.current(table)
    if current is None or not small_files(lake, table):
        return
    branch = AuditBranch(spark, lake, TABLES[table], new_run_id(), current)
    try:
        jvm: Any = spark.sparkContext._jvm
        actions = jvm.org.apache.iceberg.spark.actions.SparkActions.get(spark._jsparkSession)
        rewrite = actions.rewriteDataFiles(java_table(spark, lake, table))
        rewrite = rewrite.toBranch(branch.name).option("min-input-files", str(_FEWEST))
        rewrite = rewrite.option("min-file-size-bytes", str(_SMALL))
        rewrite = rewrite.option("max-concurrent-file-group-rewrites", "4")
        # the first snapshot is the one that the table was made with, so that `rollback` knows what was made later
        for name, value in {**current.properties, ROWS_OF: str(current.rows_id), "first": "false"}.items():
            rewrite = rewrite.snapshotProperty(f"{PROPERTY}{name}", value)
        rewrite.execute()
        with suppress(ConcurrentPublishError):  # the next vacuum merges the files
            branch.fast_forward()
    finally:
        branch.drop()
