"""Project a catalog into a Spark session, so that `SELECT … FROM gold.fruit_vectors` works.

    catalog (the truth) ──attach──▶ Spark's in-memory catalog: one external table a snapshot,
                                    every partition at the exact folder the snapshot names

Nothing is listed or inferred: folders of unfinished or abandoned runs are never seen.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import for_spark
from catalog.tables import TABLES, Column

_PARTITIONS_A_STATEMENT = 200


def attach(spark: SparkSession, catalog: Catalog) -> dict[str, Snapshot]:
    """Attach the current snapshot of every published table, and return them; what another lake had attached goes."""
    for schema in sorted({name.split(".")[0] for name in TABLES}):
        spark.sql(f"DROP DATABASE IF EXISTS {schema} CASCADE")  # external tables: no file is touched
        spark.sql(f"CREATE DATABASE {schema}")
    snapshots = {table: snapshot for table in catalog.tables() if (snapshot := catalog.current(table))}
    for snapshot in snapshots.values():
        attach_snapshot(spark, catalog.lake, snapshot)
    return snapshots


def attach_snapshot(spark: SparkSession, lake: str, snapshot: Snapshot, name: str | None = None) -> str:
    """Make a snapshot readable as a table of the session, replacing what had the name. Returns the name."""
    name = name or snapshot.table
    location = for_spark(f"{lake}/{snapshot.location}")
    clauses = [
        f"CREATE TABLE {name} ({', '.join(_column(c) for c in snapshot.columns)}) USING parquet",
        f"PARTITIONED BY (`{snapshot.partition_by}`)" if snapshot.partition_by else "",
        f"LOCATION {literal(location)}",
    ]
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {name.split('.')[0]}")
    spark.sql(f"DROP TABLE IF EXISTS {name}")
    spark.sql(" ".join(clauses))
    parts = [
        f"PARTITION (`{snapshot.partition_by}`={literal(value)}) LOCATION {literal(for_spark(f'{lake}/{path}'))}"
        for value, path in snapshot.partitions.items()
    ]
    for start in range(0, len(parts), _PARTITIONS_A_STATEMENT):
        spark.sql(f"ALTER TABLE {name} ADD {' '.join(parts[start : start + _PARTITIONS_A_STATEMENT])}")
    return name


def literal(text: str) -> str:
    """A Spark SQL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("${", "\\u0024{") + "'"  # Spark puts variables in for ${…}, even inside quotes


def _column(column: Column) -> str:
    return f"`{column.name}` {column.type} COMMENT {literal(column.comment)}"
