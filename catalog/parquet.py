"""Read the Parquet files listed in an Arrow batch, in the tasks of a scan. Imports no catalog."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.storage import filesystem, local_or_s3

BATCH_ROWS = 2048  # 10 MB of features; a row group of photos has 16 MB, or one photo


def reader(
    columns: list[str], row_filter: tuple[str, str] | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow` that reads the files whose URIs are in the first column of its batches."""

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
