"""Find a table's data files, and read them directly with Arrow: no JVM, and arrays as buffers, not row by row.

    snapshot ──PyIceberg plan_files──▶ Parquet files ─┬─▶ dataset(): a pyarrow dataset (DuckDB, the report, identify)
                                                      └─▶ parquet.FileScan: Spark tasks, or this process if small

Every snapshot is copy-on-write, so its rows are exactly the rows of its data files, including the label column.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.dataset as ds
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import ALWAYS_TRUE
from pyiceberg.table import Table as IcebergTable

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.parquet import open_files
from catalog.tables import TABLES, Table


def data_files(
    table: IcebergTable, snapshot_id: int | None = None, row_filter: BooleanExpression = ALWAYS_TRUE
) -> dict[str, int]:
    """The data files of a snapshot, the current one by default: size in bytes by URI.

    Raises CatalogError for a table with delete files, which Fruitlake never writes.
    """
    return {file.file_path: file.file_size_in_bytes for file in _planned(table, snapshot_id, row_filter)}


def files_by_partition(table: IcebergTable, snapshot_id: int | None = None) -> dict[Any, dict[str, int]]:
    """Like `data_files`, but by partition value; all are under None if the table is not partitioned."""
    found: dict[Any, dict[str, int]] = {}
    for file in _planned(table, snapshot_id, ALWAYS_TRUE):
        part = found.setdefault(file.partition[0] if len(file.partition) else None, {})
        part[file.file_path] = file.file_size_in_bytes
    return found


def _planned(table: IcebergTable, snapshot_id: int | None, row_filter: BooleanExpression) -> Iterator[DataFile]:
    for task in table.scan(row_filter, snapshot_id=snapshot_id).plan_files():
        if task.delete_files:
            raise CatalogError(f"{'.'.join(table.name())} has delete files: compact it with rewrite_data_files first")
        yield task.file


def dataset(lake: Lake, name: str, snapshot_id: int | None = None) -> ds.Dataset:
    """A snapshot's rows as a pyarrow dataset. Raises CatalogError if there is no such table."""
    loaded = lake.load(name)
    if loaded is None:
        raise CatalogError(f"the lake '{lake.uri}' has no table {name}")
    return dataset_of(TABLES[name], data_files(loaded, snapshot_id))


def dataset_of(table: Table, files: Iterable[str]) -> ds.Dataset:
    """Data files of a table as one pyarrow dataset."""
    named = [*files]
    return open_files(named, table.arrow_schema) if named else ds.dataset(table.arrow_schema.empty_table())
