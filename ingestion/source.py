"""List a tree of photos without reading one.

    root ──driver──▶ a frontier of folders ──Spark tasks──▶ one row per file

The driver only walks until there is work for every task; the files' names never pass through it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
from pyspark.sql import DataFrame, SparkSession

from catalog.errors import SourceError
from catalog.storage import exists, filesystem, is_remote

SOURCE_SCHEMA = (
    "source_path string, label string, size bigint, source_modified_at timestamp, reason string, detail string"
)
_IGNORED = {".DS_Store", "Thumbs.db", "desktop.ini", "_SUCCESS"}  # what systems leave, never a person's photo
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_FRONTIER = 256  # folders to hand out; beyond it the tasks walk on by themselves
_ROWS_A_BATCH = 10_000


class SourceFile(NamedTuple):
    """One file of the source. reason and detail say why it cannot even be read, else None."""

    source_path: str
    label: str | None
    size: int  # bytes
    source_modified_at: datetime | None
    reason: str | None = None
    detail: str | None = None


class Folder(NamedTuple):
    path: str
    deep: bool  # whether the folders below it are walked, too


def check_source(root: str) -> None:
    """Raise SourceError unless root is a folder with at least one file somewhere below it."""
    if not _is_utf8(root):
        raise SourceError(f"the path '{_text(root)}' is not UTF-8, as Spark needs it: rename the folder")
    if not exists(root):
        raise SourceError(f"there is no '{root}': give --images a folder of photos, one subfolder a label")
    if not is_remote(root) and not os.path.isdir(root):
        raise SourceError(f"'{root}' is a file: give --images the folder that holds the label folders")
    if next(walk_remote(root, True) if is_remote(root) else walk_local(root, True), None) is None:
        raise SourceError(f"'{root}' holds no photos: give --images a folder of photos, one subfolder a label")


def list_source(spark: SparkSession, root: str) -> DataFrame:
    """One row per file below root, columns as in SOURCE_SCHEMA."""
    folders = _frontier(root)
    slots = spark.sparkContext.defaultParallelism
    # dealt out like cards, a task a slot: neighbours are often alike, and Spark cuts the table into even pieces
    dealt = [folder for first in range(slots) for folder in folders[first::slots]]
    frontier = spark.createDataFrame(pa.table({"path": [f.path for f in dealt], "deep": [f.deep for f in dealt]}))
    if is_remote(root):  # a listing waits for S3, and a cluster that has just started grows by tasks that wait
        frontier = frontier.repartition(slots * 4)
    return frontier.mapInArrow(_list_folders, SOURCE_SCHEMA)


def _frontier(root: str) -> list[Folder]:
    """Folders that together hold every file once: shallow ones seen, deep ones left to the tasks."""
    seen: list[Folder] = []
    level = [root]
    while level and len(level) < _FRONTIER:
        below = {path: subfolders_of(path) for path in level}
        # A key like a//b.jpg makes a folder without a name, which is listed as if `a` lay in itself: no way down.
        seen += [Folder(path, deep=path in subs) for path, subs in below.items()]
        level = [sub for path, subs in below.items() if path not in subs for sub in subs]
    return seen + [Folder(path, deep=True) for path in level]


def subfolders_of(path: str) -> list[str]:
    if is_remote(path):
        fs, inner = filesystem(path)
        found = fs.get_file_info(pafs.FileSelector(inner, allow_not_found=True))
        return sorted("s3://" + f.path.rstrip("/") for f in found if f.type == pafs.FileType.Directory)
    try:
        with os.scandir(path) as entries:
            return sorted(e.path for e in entries if _is_folder(e) and _is_utf8(e.path) and not _loops(e))
    except OSError:
        return []  # the listing of this very folder reports it


def _list_folders(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows: list[SourceFile] = []
    for batch in batches:
        for path, deep in zip(batch["path"].to_pylist(), batch["deep"].to_pylist(), strict=True):
            for row in walk_remote(path, deep) if is_remote(path) else walk_local(path, deep):
                rows.append(row)
                if len(rows) >= _ROWS_A_BATCH:
                    yield _to_arrow(rows)
                    rows = []
    if rows:
        yield _to_arrow(rows)


def walk_local(path: str, deep: bool) -> Iterator[SourceFile]:
    """The files of a local folder; links are followed, but never in a circle."""
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda e: os.fsencode(e.name))
    except OSError as error:
        yield _unreadable(path, error.strerror or str(error))
        return
    if not entries and path.lower().endswith(_PHOTO_SUFFIXES):
        yield SourceFile(
            _text(path), _label(_text(path)), 0, None, "not an image", "an empty folder named like a photo"
        )
    for entry in entries:
        if entry.name in _IGNORED or entry.name.startswith("._"):
            continue
        if _is_folder(entry):
            if not _is_utf8(entry.path):
                yield _unreadable(entry.path, "its path is not UTF-8: rename it")
            elif deep and not _loops(entry):
                yield from walk_local(entry.path, deep)
            continue
        yield _describe(entry)


def walk_remote(path: str, deep: bool) -> Iterator[SourceFile]:
    """The objects below an s3:// prefix."""
    fs, inner = filesystem(path)
    for found in fs.get_file_info(pafs.FileSelector(inner, recursive=deep, allow_not_found=True)):
        if found.type != pafs.FileType.File or found.base_name in _IGNORED:
            continue
        parents = PurePosixPath(found.path).parts[1:-1]  # without bucket and name
        modified = found.mtime.astimezone(UTC) if found.mtime else None
        row = SourceFile("s3://" + found.path, parents[-1] if parents else None, found.size or 0, modified)
        nameless = "//" in found.path
        yield row._replace(reason="unreadable source", detail="a folder without a name (//)") if nameless else row


def _describe(entry: os.DirEntry[str]) -> SourceFile:
    if not _is_utf8(entry.path):
        return _unreadable(entry.path, "its path is not UTF-8: rename it")
    try:
        stat = entry.stat()
    except OSError as error:  # a broken link, or gone between listing and now
        return _unreadable(entry.path, error.strerror or str(error))
    if not entry.is_file():
        return _unreadable(entry.path, "neither a file nor a folder")
    return SourceFile(entry.path, _label(entry.path), stat.st_size, _modified(stat))


def _modified(stat: os.stat_result) -> datetime | None:
    try:
        return datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1e6, UTC)
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return None


def _label(path: str) -> str | None:
    return os.path.basename(os.path.dirname(path)) or None


def _unreadable(path: str, detail: str) -> SourceFile:
    return SourceFile(_text(path), _label(_text(path)), 0, None, "unreadable source", detail)


def _text(path: str) -> str:
    """The path as valid Unicode, bytes that are not UTF-8 shown as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_utf8(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or to where we may not look: `_describe` says so
        return False


def _loops(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads back to a folder above it."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    return any(os.path.realpath(folder) == target for folder in PurePosixPath(entry.path).parents)


def _to_arrow(rows: list[SourceFile]) -> pa.RecordBatch:
    schema = pa.schema(
        [
            ("source_path", pa.string()),
            ("label", pa.string()),
            ("size", pa.int64()),
            ("source_modified_at", pa.timestamp("us", tz="UTC")),
            ("reason", pa.string()),
            ("detail", pa.string()),
        ]
    )
    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(values, kind) for values, kind in columns], schema=schema)
