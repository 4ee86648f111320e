"""A snapshot as a pyarrow dataset: exactly its files, its columns, and its partitions as the catalog names them.

Snapshot ──the files below its folders──▶ one dataset; a label comes from the catalog, never from a folder's name
"""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import dirname

import pyarrow as pa
import pyarrow.dataset as ds

from catalog.errors import CatalogError
from catalog.snapshot import Snapshot
from catalog.storage import files, filesystem

_TYPES = {
    "string": pa.string(),
    "binary": pa.binary(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),  # UTC, without saying so, as Athena shows it
}
_PARQUET = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))


def dataset(lake: str, snapshot: Snapshot) -> ds.FileSystemDataset:
    """The snapshot's rows, read when asked for. Raises CatalogError if files of it are gone."""
    place, root = filesystem(lake)
    folders = {f"{root}/{path}": value for value, path in snapshot.partitions.items()}
    if snapshot.partition_by is None:
        folders = {f"{root}/{snapshot.location}": ""}
    paths = [f.path for f in files(f"{lake}/{snapshot.location}") if _holds_rows(f.path, folders)]
    _check_complete(snapshot, folders, paths)
    column = snapshot.partition_by
    return ds.FileSystemDataset.from_paths(
        paths,
        schema=pa.schema([(c.name, arrow_type(c.type)) for c in snapshot.columns]),
        format=_PARQUET,
        filesystem=place,
        partitions=[ds.field(column) == folders[dirname(p)] if column else ds.scalar(True) for p in paths],
    )


def arrow_type(ddl: str) -> pa.DataType:
    """The Arrow type of a column's Spark DDL type."""
    if ddl.startswith("array<"):
        return pa.list_(arrow_type(ddl.removeprefix("array<").removesuffix(">")))
    return _TYPES[ddl]


def _holds_rows(path: str, folders: Iterable[str]) -> bool:
    """Not a file of an abandoned run, nor one of Spark's markers."""
    return path.endswith(".parquet") and dirname(path) in folders


def _check_complete(snapshot: Snapshot, folders: Iterable[str], paths: list[str]) -> None:
    if missing := sorted(set(folders) - {dirname(p) for p in paths}) if snapshot.rows else []:
        raise CatalogError(
            f"{snapshot.table}: no Parquet file in '{missing[0]}', a folder of its current snapshot {snapshot.id}: "
            f"restore it, or go back to an older one: `fruitlake catalog history {snapshot.table}` lists them"
        )
