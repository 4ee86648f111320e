"""A snapshot in the words of AWS Glue: what Athena and everything else that reads Glue sees of it.

Snapshot ──▶ TableInput (columns, partition key, Parquet SerDe, parameters) and a PartitionInput a folder

Locations are the keys as they are in the bucket, `%25` and spaces included: Hive, Athena and Spark decode nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from catalog.errors import CatalogError
from catalog.snapshot import Snapshot
from catalog.tables import TABLES, Column

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import (
        ColumnTypeDef,
        PartitionInputTypeDef,
        StorageDescriptorTypeDef,
        TableInputTypeDef,
    )

LAYERS = sorted({name.split(".")[0] for name in TABLES})
LAKE = "lake"  # the table's parameter that says whose it is
POINTER = "snapshot_id"  # the table's parameter that readers follow
_TOLD = (
    "rows_added",
    "model_id",
    "pca_id",
    "audit_result",
    "producer",
)  # of what a snapshot knows; audits are too long
_SIMPLE = {
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "string",
    "binary",
    "date",
    "timestamp",
}
_SPARK_ONLY = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint", "real": "float"}
_HIVE = "org.apache.hadoop.hive.ql.io.parquet"


def database(prefix: str, layer: str) -> str:
    """The Glue database of a layer: `fruits_gold`."""
    return f"{prefix}_{layer}"


def glue_type(ddl: str) -> str:
    """Glue's name of a column's Spark DDL type. Raises CatalogError for one that Athena could not read."""
    name = ddl.strip().lower()
    if inner := re.fullmatch(r"array<(.+)>", name):
        return f"array<{glue_type(inner[1])}>"
    name = _SPARK_ONLY.get(name, name)
    if name in _SIMPLE or re.fullmatch(r"decimal\(\d+,\s*\d+\)", name):
        return name.replace(" ", "")
    known = ", ".join(sorted(_SIMPLE))
    raise CatalogError(f"AWS Glue is given no column of type '{ddl}': take decimal(p,s), {known}, or an array of one")


def table_input(lake: str, snapshot: Snapshot) -> TableInputTypeDef:
    """The table as it stands when the snapshot is current."""
    table = TABLES[snapshot.table]
    told = {name: snapshot.parameters[name] for name in _TOLD if name in snapshot.parameters}
    return {
        "Name": snapshot.table.split(".")[1],
        "Description": table.grain,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": _storage(snapshot, f"{lake}/{snapshot.location}"),
        "PartitionKeys": [_column(c) for c in snapshot.columns if c.name == snapshot.partition_by],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            LAKE: lake,
            POINTER: snapshot.id,
            "published_at": snapshot.created_at,
            "rows": str(snapshot.rows),
            "bytes": str(snapshot.bytes),
            **told,
        },
    }


def partition_inputs(lake: str, snapshot: Snapshot) -> dict[str, PartitionInputTypeDef]:
    """The snapshot's partitions, by their value."""
    return {
        value: {"Values": [value], "StorageDescriptor": _storage(snapshot, f"{lake}/{folder}")}
        for value, folder in snapshot.partitions.items()
    }


def covers(found: object, wanted: object) -> bool:
    """Whether what Glue holds says all that is wanted; what it adds by itself does not matter."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(covers(f, w) for f, w in zip(found, wanted, strict=True))
        )
    return found == wanted


def _storage(snapshot: Snapshot, uri: str) -> StorageDescriptorTypeDef:
    return {
        "Columns": _columns(c for c in snapshot.columns if c.name != snapshot.partition_by),
        "Location": f"{uri}/",  # with its end, `label=Apple/` is not the beginning of `label=Apple Red/`
        "InputFormat": f"{_HIVE}.MapredParquetInputFormat",
        "OutputFormat": f"{_HIVE}.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{_HIVE}.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    }


def _columns(columns: Iterable[Column]) -> list[ColumnTypeDef]:
    return [_column(c) for c in columns]


def _column(column: Column) -> ColumnTypeDef:
    return {"Name": column.name, "Type": glue_type(column.type), "Comment": column.comment}


def without_pointer(table: TableInputTypeDef) -> TableInputTypeDef:
    """The same table before its first snapshot is current: partitions need a table to belong to."""
    parameters: dict[str, Any] = {k: v for k, v in table.get("Parameters", {}).items() if k != POINTER}
    return {**table, "Parameters": parameters}
