"""Compact a table: merge the small files left by many small appends, one per label and run.

No row changes, so the new snapshot keeps the properties of the previous one, including its audit. Its property
`rows_of` is the id of the snapshot with the same rows, so tables built from that snapshot still count as up to date.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from catalog.branch import java_table
from catalog.lake import CATALOG, Lake
from catalog.scan import files_by_partition
from catalog.snapshots import PROPERTY, ROWS_OF
from catalog.tables import FRUIT_VECTORS

COMPACTED = (FRUIT_VECTORS.name,)  # not partitioned, the other tables get few files per run
_FEWEST = 5  # files per partition that are worth merging, as by Iceberg's default


def small_files(lake: Lake, table: str) -> int:
    """Number of data files that compacting the table would merge."""
    loaded = lake.load(table)
    current = lake.current(table)
    if loaded is None or current is None:
        return 0
    return sum(len(uris) for uris in files_by_partition(loaded).values() if len(uris) >= _FEWEST)


def compact(spark: SparkSession, lake: Lake, table: str) -> None:
    """Merge the small files of a table. Readers and the table's history are not affected."""
    current = lake.current(table)
    if current is None or not small_files(lake, table):
        return
    jvm: Any = spark.sparkContext._jvm
    actions = jvm.org.apache.iceberg.spark.actions.SparkActions.get(spark._jsparkSession)
    rewrite = actions.rewriteDataFiles(java_table(spark, f"{CATALOG}.{lake.identifier(table)}"))
    rewrite = rewrite.option("min-input-files", str(_FEWEST)).option("max-concurrent-file-group-rewrites", "4")
    for name, value in {**current.properties, ROWS_OF: str(current.rows_id)}.items():
        rewrite = rewrite.snapshotProperty(f"{PROPERTY}{name}", value)
    rewrite.execute()
