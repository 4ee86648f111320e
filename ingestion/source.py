"""List the files of a source with Spark, without opening them.

    root ──driver──▶ a frontier of folders ──Spark tasks──▶ one row per file, ignored ones marked

The driver walks the tree only until there are enough folders for all tasks; file names never pass through the driver.
Ignored files (see ignored.py) are listed too, with the reason in `ignored`, so one pass also counts them.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from more_itertools import chunked
from pyspark.sql import DataFrame, SparkSession

from catalog.errors import SourceError
from catalog.storage import exists, is_remote
from catalog.tables import arrow_schema
from ingestion.walk import Source, SourceFile, as_text, is_utf8, subfolders_of

SOURCE_SCHEMA = (
    "source_path string, label string, size bigint, source_modified_at timestamp, reason string, detail string, "
    "ignored string"
)
# With this many folders, the driver stops walking, and the tasks continue. A bucket's tasks wait for S3, not for cores.
_FOLDERS_PER_SLOT, _FOLDERS_OF_BUCKET = 8, 256
_ROWS_PER_BATCH = 10_000


def check_source(source: Source) -> None:
    """Raise SourceError unless its root is a folder with at least one file below it that is not ignored."""
    root = source.root
    check_folder(root)
    ignored: Counter[str] = Counter()
    for file in source.walk(root, deep=True):
        if file.ignored is None:
            return
        ignored[file.ignored] += 1
    why = ", ".join(f"{count:,} {rule}" for rule, count in ignored.most_common(3))
    found = f" ({ignored.total():,} ignored: {why}{' …' if len(ignored) > 3 else ''})" if ignored else ""
    raise SourceError(f"'{root}' holds no photos{found}: give --images a folder of photos, one subfolder per label")


def check_folder(root: str) -> None:
    """Raise SourceError unless root is an existing folder with a UTF-8 name, which Spark requires."""
    if not is_utf8(root):
        raise SourceError(f"the path '{as_text(root)}' is not UTF-8, which Spark requires: rename the folder")
    if not exists(root):
        raise SourceError(f"there is no '{root}': give --images a folder of photos, one subfolder per label")
    if not is_remote(root) and not os.path.isdir(root):
        raise SourceError(f"'{root}' is a file: give --images the folder that holds the label folders")


def list_source(spark: SparkSession, source: Source) -> DataFrame:
    """List the source's files, one row per file with the columns of SOURCE_SCHEMA; `ignored` is null for photos."""
    slots = spark.sparkContext.defaultParallelism
    folders = _frontier(source.root, _FOLDERS_OF_BUCKET if is_remote(source.root) else slots * _FOLDERS_PER_SLOT)
    # Deal the folders out like cards, one task per slot: neighbouring folders are often of similar size, and Spark
    # splits the table into contiguous pieces.
    paths, deep = zip(*(folder for first in range(slots) for folder in folders[first::slots]), strict=True)
    frontier = spark.createDataFrame(pa.table({"path": paths, "deep": deep}))
    if is_remote(source.root):  # listing waits for S3, and pending tasks make a newly started cluster scale out
        frontier = frontier.repartition(slots * 4)
    return frontier.mapInArrow(lambda batches: _list_folders(source, batches), SOURCE_SCHEMA)


def _frontier(root: str, enough: int) -> list[tuple[str, bool]]:
    """Split the tree into folders that cover every file exactly once, and whether to list their subfolders, too."""
    seen: list[tuple[str, bool]] = []
    level = [root]
    while level and len(level) < enough:
        below = {path: subfolders_of(path) for path in level}
        # A key like a//b.jpg creates a folder without a name, and S3 then lists `a` as its own subfolder. Such a folder
        # cannot be walked level by level, so it is listed as a whole.
        seen += [(path, path in subs) for path, subs in below.items()]
        level = [sub for path, subs in below.items() if path not in subs for sub in subs]
    return seen + [(path, True) for path in level]


def _list_folders(source: Source, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    folders = (folder for batch in batches for folder in batch.to_pylist())
    files = (file for folder in folders for file in source.walk(folder["path"], folder["deep"]))
    return map(to_arrow, chunked(files, _ROWS_PER_BATCH))


def to_arrow(rows: Sequence[SourceFile]) -> pa.RecordBatch:
    """The files as a listing has them, columns as in SOURCE_SCHEMA."""
    return pa.RecordBatch.from_pylist([row._asdict() for row in rows], arrow_schema(SOURCE_SCHEMA))
