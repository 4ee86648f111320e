"""Files and folders on a local disk or in S3, through pyarrow's filesystems."""

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from catalog.errors import AwsError, SettingsError


def is_remote(uri: str) -> bool:
    """Whether a URI is in S3."""
    return uri.startswith(("s3://", "s3a://"))


def normalize(uri: str) -> str:
    """An absolute local path or an `s3://` URI, without a trailing slash.

    Raises SettingsError for any other scheme, and for empty text, which may come from an unset shell variable. Empty
    parts of a key are removed: `s3://bucket//lake` has a folder without a name, which Athena does not read.
    """
    if not uri.strip():
        raise SettingsError("an empty path is not allowed: give a folder")
    if is_remote(uri):
        parts = [part for part in uri.split("://", 1)[1].split("/") if part]
        if not parts:
            raise SettingsError(f"'{uri}' names no bucket: give s3://bucket/prefix")
        return "s3://" + "/".join(parts)
    if uri.startswith("file:"):
        uri = unquote(urlsplit(uri).path)
    elif "://" in uri:
        scheme = uri.split("://", 1)[0]
        raise SettingsError(f"'{scheme}://' is not supported: give a folder, or s3://bucket/prefix")
    return os.path.abspath(os.path.expanduser(uri))


def local_or_s3(location: str) -> str:
    """Normalize a file location from Iceberg: a local path without a scheme, or s3://."""
    if location.startswith("s3a://"):
        return "s3://" + location.removeprefix("s3a://")
    return location.removeprefix("file:") if location.startswith("file:/") else location


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The filesystem of a normalized URI and the path in it. Raises AwsError for a bucket that cannot be accessed."""
    if is_remote(uri):
        from catalog import bucket  # imports boto3, which local lakes do not need

        path = uri.split("://", 1)[1]
        return bucket.filesystem(path.split("/", 1)[0]), path
    return pafs.LocalFileSystem(), uri


def check_allowed(uri: str, regions: Collection[str]) -> None:
    """Raise RegionError for a bucket in a region that is not allowed; local folders always are."""
    if is_remote(uri):
        from catalog import bucket  # imports boto3, which local lakes do not need

        bucket.check_region(uri, regions)


def overlap(one: str, other: str) -> bool:
    """Whether two locations are the same, or one is inside the other."""
    if is_remote(one) != is_remote(other):
        return False
    a, b = (PurePosixPath(p) if is_remote(p) else Path(p).resolve() for p in (one, other))
    return a == b or a in b.parents or b in a.parents


def read_bytes(uri: str) -> bytes:
    """The whole content of a file."""
    fs, path = filesystem(uri)
    with fs.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


def exists(uri: str) -> bool:
    """Whether there is a file or folder at a URI."""
    fs, path = filesystem(uri)
    return bool(fs.get_file_info(path).type != pafs.FileType.NotFound)


def may_exist(uri: str) -> bool:
    """Whether a file exists, or its existence cannot be checked."""
    try:
        return exists(uri)
    except (AwsError, OSError):
        return True


def files(uri: str) -> dict[str, pafs.FileInfo]:
    """All files below a folder by URI, including hidden ones."""
    fs, path = filesystem(uri)
    scheme = uri.removesuffix(path)
    found = fs.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return {scheme + f.path: f for f in found if f.type == pafs.FileType.File}


def holds_anything(uri: str) -> bool:
    """Whether a folder exists and is not empty."""
    fs, path = filesystem(uri)
    return bool(fs.get_file_info(pafs.FileSelector(path, allow_not_found=True)))


def delete_folder(uri: str) -> None:
    """Delete a folder and its content, if it exists."""
    fs, path = filesystem(uri)
    with suppress(FileNotFoundError):
        fs.delete_dir(path)


def delete_empty_folders(uri: str) -> None:
    """Delete empty folders below a local folder; buckets have none."""
    if not is_remote(uri):
        for folder, _, _ in os.walk(uri, topdown=False):
            with suppress(OSError):  # not empty
                os.rmdir(folder)


def delete_file(uri: str) -> None:
    """Delete a file."""
    fs, path = filesystem(uri)
    fs.delete_file(path)


def output_stream(uri: str) -> pa.NativeFile:
    """Open a new file for streaming; on a disk, readers see it grow."""
    fs, path = filesystem(uri)
    if not is_remote(uri):  # a bucket has no folders
        os.makedirs(os.path.dirname(path), exist_ok=True)
    return fs.open_output_stream(path, compression=None)


def write_object(uri: str, data: bytes) -> None:
    """Write a file atomically, on a disk or in a bucket."""
    if not is_remote(uri):
        return write_atomically(uri, data)
    fs, path = filesystem(uri)
    kind = guess_type(path)[0] or "application/octet-stream"  # browsers need the right content type to show a page
    with fs.open_output_stream(path, metadata={"Content-Type": kind}) as stream:
        stream.write(data)


def write_atomically(path: str, data: bytes) -> None:
    """Write a local file atomically and durably: after a crash it has either the old or the new content."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself must survive a power cut
    finally:
        os.close(folder)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file or folder without waiting, or change the kind of its lock. False if it is locked already."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
