"""List the files of a source with Spark, without opening them.

    root ──driver──▶ a frontier of folders ──Spark tasks──▶ one row per file, ignored ones marked

The driver walks the tree only until there are enough folders for all tasks; file names never pass through the driver.
Ignored files (see ignored.py) are listed too, with the reason in `ignored`, so one pass also counts them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from catalog.errors import SourceError
from catalog.storage import exists, is_remote
from ingestion.walk import Source, SourceFile, as_text, is_utf8, subfolders_of

SOURCE_SCHEMA = (
    "source_path string, label string, size bigint, source_modified_at timestamp, reason string, detail string, "
    "ignored string"
)
_FRONTIER = 256  # folders; the driver stops walking here, and the tasks continue
_ROWS_PER_BATCH = 10_000


class Folder(NamedTuple):
    """A folder to list."""

    path: str
    deep: bool  # whether to list its subfolders, too


def check_source(root: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
    """Raise SourceError unless root is a folder with at least one file below it that is not ignored."""
    check_folder(root)
    ignored: Counter[str] = Counter()
    for file in Source(root, tuple(include), tuple(exclude)).walk(root, deep=True):
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


def ignored_files(root: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Path of every ignored file below root, and the rule that ignores it."""
    for file in Source(root, tuple(include), tuple(exclude)).walk(root, deep=True):
        if file.ignored is not None:
            yield file.source_path, file.ignored


def list_source(spark: SparkSession, root: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> DataFrame:
    """List the files below root, one row per file with the columns of SOURCE_SCHEMA; `ignored` is null for photos."""
    source = Source(root, tuple(include), tuple(exclude))

    def list_folders(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _list_folders(source, batches)

    folders = _frontier(root)
    slots = spark.sparkContext.defaultParallelism
    # Deal the folders out like cards, one task per slot: neighbouring folders are often of similar size, and Spark
    # splits the table into contiguous pieces.
    dealt = [folder for first in range(slots) for folder in folders[first::slots]]
    frontier = spark.createDataFrame(pa.table({"path": [f.path for f in dealt], "deep": [f.deep for f in dealt]}))
    if is_remote(root):  # listing waits for S3, and pending tasks make a newly started cluster scale out
        frontier = frontier.repartition(slots * 4)
    return frontier.mapInArrow(list_folders, SOURCE_SCHEMA)


def _frontier(root: str) -> list[Folder]:
    """Split the tree into folders that cover every file exactly once: walked ones (not deep), and subtrees (deep)."""
    seen: list[Folder] = []
    level = [root]
    while level and len(level) < _FRONTIER:
        below = {path: subfolders_of(path) for path in level}
        # A key like a//b.jpg creates a folder without a name, and S3 then lists `a` as its own subfolder. Such a folder
        # cannot be walked level by level, so it is listed as a whole.
        seen += [Folder(path, deep=path in subs) for path, subs in below.items()]
        level = [sub for path, subs in below.items() if path not in subs for sub in subs]
    return seen + [Folder(path, deep=True) for path in level]


def _list_folders(source: Source, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows: list[SourceFile] = []
    for batch in batches:
        for path, deep in zip(batch["path"].to_pylist(), batch["deep"].to_pylist(), strict=True):
            for row in source.walk(path, deep):
                rows.append(row)
                if len(rows) >= _ROWS_PER_BATCH:
                    yield to_arrow(rows)
                    rows = []
    if rows:
        yield to_arrow(rows)


def to_arrow(rows: Sequence[SourceFile]) -> pa.RecordBatch:
    """The files as a listing has them, columns as in SOURCE_SCHEMA."""
    schema = pa.schema(
        [
            ("source_path", pa.string()),
            ("label", pa.string()),
            ("size", pa.int64()),
            ("source_modified_at", pa.timestamp("us", tz="UTC")),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("ignored", pa.string()),
        ]
    )
    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(values, kind) for values, kind in columns], schema=schema)
