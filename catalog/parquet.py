"""Read Parquet files with Arrow: in the tasks of a Spark job, or in this process if they are small.

Python workers import this module, so it imports neither the catalog nor PyIceberg, whose import takes 0.2 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from catalog.storage import filesystem, local_or_s3

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession  # `status` and `query` must not wait for Spark's imports

BATCH_ROWS = 2048  # 10 MB of features; a row group of photos has 16 MB, or one photo
# What this process reads about as fast as a Spark job starts: 6,000 photos' features, or the files of 256 labels.
_SMALL_BYTES, _SMALL_FILES = 32 * 1024 * 1024, 256


def open_files(files: Iterable[str], schema: pa.Schema | None = None) -> ds.Dataset:
    """Open at least one file as a dataset. Without a schema, it is the first file's."""
    places = [filesystem(local_or_s3(file)) for file in files]
    return ds.dataset([path for _, path in places], schema=schema, format="parquet", filesystem=places[0][0])


def stream(
    rows: ds.Dataset, columns: list[str] | dict[str, Any], where: Any = None, files_ahead: int = 16
) -> Iterator[pa.RecordBatch]:
    """Yield a dataset's rows in batches, holding only a few in memory.

    By default, Arrow buffers the columns of whole files, and reads 64 batches of 131,072 rows ahead.

    Args:
        rows: the dataset.
        columns: names, or expressions by name.
        where: the filter, an expression.
        files_ahead: number of files that are read at the same time; a batch of each is in memory.
    """
    yield from rows.to_batches(
        columns,
        filter=where,
        batch_size=BATCH_ROWS,
        batch_readahead=1,
        fragment_readahead=files_ahead,
        fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False),
    )


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
        for batch in open_files(self.files).to_batches(columns=self.columns, filter=wanted, batch_size=BATCH_ROWS):
            if batch.num_rows:
                yield batch

    def mapInArrow(
        self, function: Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]], schema: Any
    ) -> DataFrame:
        """Like `DataFrame.mapInArrow`, over batches that pyarrow reads inside the tasks."""
        read = _reader(self.columns, self.row_filter)
        # one row per file, ordered so that each task reads about the same number of bytes
        slots = self.spark.sparkContext.defaultParallelism
        by_size = sorted(self.files, key=lambda uri: -self.files[uri])
        # Spark splits the rows evenly, in order
        dealt = [uri for first in range(slots) for uri in by_size[first::slots]]
        tasks = self.spark.createDataFrame(pa.table({"file": pa.array(dealt, pa.string())}))
        return tasks.mapInArrow(lambda batches: function(read(batches)), schema)


def _reader(
    columns: list[str], row_filter: tuple[str, str] | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function that reads the files whose URIs are in the first column of its batches."""

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for uri in batch.column(0).to_pylist():
                fs, path = filesystem(local_or_s3(uri))
                wanted = [*columns, row_filter[0]] if row_filter and row_filter[0] not in columns else columns
                with fs.open_input_file(path) as stream:
                    file = pq.ParquetFile(stream)
                    for group in range(file.num_row_groups):  # batches do not span row groups
                        for rows in file.iter_batches(BATCH_ROWS, [group], wanted):
                            kept = rows.filter(pc.equal(rows[row_filter[0]], row_filter[1])) if row_filter else rows
                            if kept.num_rows:
                                yield kept.select(columns)

    return read
