"""Read a table's data files directly with Arrow: no JVM, and arrays as buffers instead of row by row.

    snapshot ──PyIceberg plan_files──▶ Parquet files ─┬─▶ dataset(): a pyarrow dataset (DuckDB, erasure, identify)
                                                      └─▶ FileScan: Spark tasks, or this process if small

Every snapshot is copy-on-write, so its rows are exactly the rows of its data files, including the label column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import ALWAYS_TRUE
from pyiceberg.table import Table as IcebergTable

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.parquet import BATCH_ROWS, reader
from catalog.storage import filesystem, local_or_s3
from catalog.tables import TABLES, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession  # `status` and `query` must not wait for Spark's imports

# What this process reads about as fast as a Spark job starts: 6,000 photos' features, or the files of 256 labels.
_SMALL_BYTES, _SMALL_FILES = 32 * 1024 * 1024, 256


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
    return _opened(named, table.arrow_schema) if named else ds.dataset(table.arrow_schema.empty_table())


def _opened(files: Iterable[str], schema: pa.Schema | None = None) -> ds.Dataset:
    """At least one file as a dataset. Without a schema, it is the first file's."""
    places = [filesystem(local_or_s3(file)) for file in files]
    return ds.dataset([path for _, path in places], schema=schema, format="parquet", filesystem=places[0][0])


@dataclass(frozen=True)
class FileScan:
    """A snapshot's rows, read by pyarrow: inside the tasks of `mapInArrow`, or here with `batches`."""

    spark: SparkSession
    files: dict[str, int]  # size in bytes by URI
    columns: list[str]
    row_filter: tuple[str, str] | None = None  # (column, value) that rows must have

    def select(self, *columns: str) -> FileScan:
        """The same scan with fewer columns."""
        return replace(self, columns=[*columns])

    @property
    def small(self) -> bool:
        """Whether `batches` is likely to take less time than a Spark job."""
        return sum(self.files.values()) <= _SMALL_BYTES and len(self.files) <= _SMALL_FILES

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, read in this process, several files at a time."""
        if not self.files:
            return
        wanted = None if self.row_filter is None else pc.field(self.row_filter[0]) == self.row_filter[1]
        for batch in _opened(self.files).to_batches(columns=self.columns, filter=wanted, batch_size=BATCH_ROWS):
            if batch.num_rows:
                yield batch

    def mapInArrow(
        self, function: Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]], schema: Any
    ) -> DataFrame:
        """Like `DataFrame.mapInArrow`, over batches that pyarrow reads inside the tasks."""
        read = reader(self.columns, self.row_filter)
        # one row per file, ordered so that each task reads about the same number of bytes
        slots = self.spark.sparkContext.defaultParallelism
        by_size = sorted(self.files, key=lambda uri: -self.files[uri])
        # Spark splits the rows evenly, in order
        dealt = [uri for first in range(slots) for uri in by_size[first::slots]]
        tasks = self.spark.createDataFrame(pa.table({"file": pa.array(dealt, pa.string())}))
        return tasks.mapInArrow(lambda batches: function(read(batches)), schema)
