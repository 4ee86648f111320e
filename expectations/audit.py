"""The gate between write and register: a snapshot that breaks its contract is never published.

publish: check_schema(rows) ─▶ write ─▶ audit(what was written) ─▶ register
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StructType

from catalog.errors import AuditError
from catalog.tables import Table


def check_schema(table: Table, rows: DataFrame) -> None:
    """Raise AuditError unless rows have the stored columns, and the partition column, with their types."""
    expected = {c.name: c.type for c in table.columns if table.mode == "replace" or c.name != table.partition}
    found = {field.name: _plain(field.dataType).simpleString() for field in rows.schema if field.name in expected}
    differ = [
        f"{name} is {found.get(name, 'missing')}, not {kind}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if differ:
        raise AuditError(f"{table.name} was not published: {'; '.join(differ)} (the contract is catalog/tables.py)")


def audit(table: Table, written: DataFrame) -> None:
    """Raise AuditError if a key is null or stands twice in what was written."""
    key = [F.col(c) for c in table.key]
    some_null = F.greatest(*[c.isNull() for c in key], F.lit(False))
    row = written.agg(
        F.count("*").alias("rows"), F.count_if(some_null).alias("nulls"), F.count_distinct(F.struct(*key)).alias("keys")
    ).first()
    assert row is not None  # an aggregate without groups has one row
    if row["nulls"] or row["keys"] < row["rows"]:
        raise AuditError(
            f"{table.name} was not published: key ({', '.join(table.key)}) is null in {row['nulls']:,} rows and "
            f"repeated in {row['rows'] - row['keys']:,} of {row['rows']:,}; what was current still is"
        )


def _plain(kind: DataType) -> DataType:
    """The type without its nullability, which Parquet does not keep."""
    if isinstance(kind, ArrayType):
        return ArrayType(_plain(kind.elementType), True)
    return StructType([]) if isinstance(kind, StructType) else kind
