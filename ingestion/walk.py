"""Walk the files of a source, on disk or in a bucket, and classify them by path without opening any."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow.fs as pafs

from catalog.storage import filesystem, is_remote
from ingestion.ignored import is_service_folder, why_ignored

_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif")


class SourceFile(NamedTuple):
    """One file of the source.

    reason, detail: why the file cannot be read, else None. ignored: the rule by which its path is not that of a photo,
    else None; ignored files are counted, but neither read nor quarantined.
    """

    source_path: str
    label: str | None
    size: int  # bytes
    source_modified_at: datetime | None
    reason: str | None = None
    detail: str | None = None
    ignored: str | None = None


class Source(NamedTuple):
    """A tree of photos: its root folder, and the globs that files must and must not match (see ignored.py)."""

    root: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def walk(self, path: str, deep: bool) -> Iterator[SourceFile]:
        """List the files of a folder of the source; with deep, also those in its subfolders."""
        return map(self._judged, walk_remote(path, deep) if is_remote(path) else walk_local(path, deep))

    def look(self, path: str) -> SourceFile | None:
        """One file of the source as it is now; None if it is gone.

        None for an empty object, too: only a listing tells whether it is a folder marker.
        """
        if not is_remote(path):
            return self._judged(_describe(path)) if os.path.lexists(path) else None
        fs, inner = filesystem(path)
        found = fs.get_file_info(inner)
        return self._judged(_describe_object(found)) if found.type == pafs.FileType.File and found.size else None

    def _judged(self, row: SourceFile) -> SourceFile:
        if row.ignored is not None:
            return row
        below = row.source_path.removeprefix(self.root).strip("/")
        return row._replace(ignored=why_ignored(below, self.include, self.exclude))


def subfolders_of(path: str) -> list[str]:
    """Paths of a folder's direct subfolders; empty if it cannot be read."""
    if is_remote(path):
        fs, inner = filesystem(path)
        found = fs.get_file_info(pafs.FileSelector(inner, allow_not_found=True))
        return sorted("s3://" + f.path.rstrip("/") for f in found if f.type == pafs.FileType.Directory)
    _, names, _ = next(os.walk(path), (path, [], []))  # an error is reported when this folder's files are listed
    below = (os.path.join(path, name) for name in names)
    return sorted(folder for folder in below if is_utf8(folder) and not _loops(folder))


def walk_local(path: str, deep: bool) -> Iterator[SourceFile]:
    """List the files of a local folder. Symbolic links are followed, except links to a parent folder."""
    errors: list[OSError] = []
    for folder, subfolders, names in os.walk(path, onerror=errors.append, followlinks=True):
        if not (subfolders or names) and folder.lower().endswith(_PHOTO_SUFFIXES):
            yield _unusable(folder, "an empty folder named like a photo", "not an image")
        wrong = [name for name in subfolders if not is_utf8(name)]
        yield from map(_describe, sorted(os.path.join(folder, name) for name in (*names, *wrong)))
        subfolders[:] = sorted(n for n in subfolders if deep and is_utf8(n) and not _loops(os.path.join(folder, n)))
    for error in errors:
        yield _unusable(error.filename, error.strerror or str(error))


def walk_remote(path: str, deep: bool) -> Iterator[SourceFile]:
    """List the objects below an s3:// prefix."""
    fs, inner = filesystem(path)
    listed = fs.get_file_info(pafs.FileSelector(inner, recursive=deep, allow_not_found=True))
    folders = {found.path for found in listed if found.type == pafs.FileType.Directory}
    for found in listed:
        if found.type != pafs.FileType.File:
            continue
        row = _describe_object(found)
        if not found.size and found.path in folders:  # some tools create an empty object per folder
            row = row._replace(reason=None, detail=None, ignored="folder marker")
        yield row


def _describe_object(found: pafs.FileInfo) -> SourceFile:
    modified = found.mtime.astimezone(UTC) if found.mtime else None
    row = SourceFile("s3://" + found.path, _label(found.path.partition("/")[2]), found.size or 0, modified)
    if "//" in found.path:
        return row._replace(reason="unreadable source", detail="a folder without a name (//)")
    return row


def _describe(path: str) -> SourceFile:
    if not is_utf8(path):
        return _unusable(path, "its path is not UTF-8: rename it")
    try:
        found = os.stat(path)
    except OSError as error:  # a broken link, or deleted since it was listed
        return _unusable(path, error.strerror or str(error))
    if not stat.S_ISREG(found.st_mode):
        return _unusable(path, "neither a file nor a folder")
    modified = None
    with suppress(ValueError, OverflowError, OSError):  # a year that datetime cannot hold
        modified = datetime.fromtimestamp(found.st_mtime_ns // 1000 / 1e6, UTC)
    return SourceFile(path, _label(path), found.st_size, modified)


def _label(path: str) -> str | None:
    """Name of the file's folder; None if it has no name or is a service folder, as only the source's root may be."""
    name = os.path.basename(os.path.dirname(path))
    return None if is_service_folder(name) else name or None


def _unusable(path: str, detail: str, reason: str = "unreadable source") -> SourceFile:
    return SourceFile(as_text(path), _label(as_text(path)), 0, None, reason, detail)


def as_text(path: str) -> str:
    """The path as valid Unicode; bytes that are not UTF-8 become \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_utf8(path: str) -> bool:
    """Whether the path's bytes are UTF-8, which Spark requires."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _loops(path: str) -> bool:
    """Whether the path is a link to one of its parent folders."""
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    return any(os.path.realpath(folder) == target for folder in PurePosixPath(path).parents)
