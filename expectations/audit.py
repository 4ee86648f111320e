"""The gate between write and register: a snapshot that breaks its contract is never published.

    publish: write ─▶ audit(candidate) ─▶ register

It looks at what was written, read back as readers will read it, not at what was meant to be written.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType, StructType

from catalog.errors import AuditError
from catalog.tables import Table


def audit(table: Table, candidate: DataFrame) -> None:
    """Raise AuditError if the candidate's columns are not those of the table's definition."""
    expected = {c.name: c.type for c in table.columns}
    found = {field.name: _plain(field.dataType).simpleString() for field in candidate.schema}
    if found != expected:
        differ = sorted(set(expected.items()) ^ set(found.items()))
        raise AuditError(
            f"{table.name} was not published: its columns differ from catalog/tables.py in "
            + ", ".join(f"{name} {kind}" for name, kind in differ)
        )


def _plain(kind: DataType) -> DataType:
    """The type without its nullability, which Parquet does not keep."""
    if isinstance(kind, ArrayType):
        return ArrayType(_plain(kind.elementType), True)
    return StructType([]) if isinstance(kind, StructType) else kind
