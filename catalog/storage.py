"""Bytes and folders, on a local disk or on S3, behind pyarrow's one filesystem interface."""

from __future__ import annotations

import os
from contextlib import suppress
from mimetypes import guess_type
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from catalog.errors import SettingsError

REMOTE = ("s3://", "s3a://")


def is_remote(uri: str) -> bool:
    return uri.startswith(REMOTE)


def normalize(uri: str) -> str:
    """An absolute local path or an `s3://` URI, without a trailing slash.

    Raises SettingsError for any other scheme, and for nothing: an empty shell variable must not name a place.
    Empty parts of a key go: `s3://bucket//lake` is a folder without a name, which Athena does not read.
    """
    if not uri.strip():
        raise SettingsError("an empty path names no place: give a folder")
    if is_remote(uri):
        parts = [part for part in uri.split("://", 1)[1].split("/") if part]
        if not parts:
            raise SettingsError(f"'{uri}' names no bucket: give s3://bucket/prefix")
        return "s3://" + "/".join(parts)
    if uri.startswith("file:"):
        uri = unquote(urlsplit(uri).path)
    elif "://" in uri:
        scheme = uri.split("://", 1)[0]
        raise SettingsError(f"'{scheme}://' is not a place Fruitlake knows: give a folder, or s3://bucket/prefix")
    return os.path.abspath(os.path.expanduser(uri))


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The filesystem of a normalized URI and the path in it. Raises AwsError for a bucket that is closed to us."""
    if is_remote(uri):
        from catalog import bucket  # imports boto3: only where there is a bucket

        path = uri.split("://", 1)[1]
        return bucket.filesystem(path.split("/", 1)[0]), path
    return pafs.LocalFileSystem(), uri


def for_spark(uri: str) -> str:
    """The same place as Hadoop names it."""
    return "s3a://" + uri.split("://", 1)[1] if is_remote(uri) else uri


def read_bytes(uri: str) -> bytes:
    fs, path = filesystem(uri)
    with fs.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


def exists(uri: str) -> bool:
    fs, path = filesystem(uri)
    return bool(fs.get_file_info(path).type != pafs.FileType.NotFound)


def files(uri: str) -> list[pafs.FileInfo]:
    """Every file below a folder, Spark's markers and checksums included."""
    fs, path = filesystem(uri)
    found = fs.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return [f for f in found if f.type == pafs.FileType.File]


def subfolders(uri: str) -> list[str]:
    """Names of the folders right below a folder, sorted."""
    fs, path = filesystem(uri)
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return sorted(f.base_name for f in found if f.type == pafs.FileType.Directory)


def delete_folder(uri: str) -> None:
    """Remove a folder with all in it; one that is not there is fine."""
    fs, path = filesystem(uri)
    with suppress(FileNotFoundError):
        fs.delete_dir(path)


def delete_file(uri: str) -> None:
    fs, path = filesystem(uri)
    fs.delete_file(path)


def write_object(uri: str, data: bytes) -> None:
    """Write a file that readers see whole or not at all, on a disk or in a bucket."""
    if not is_remote(uri):
        return write_atomically(uri, data)
    fs, path = filesystem(uri)
    kind = guess_type(path)[0] or "application/octet-stream"  # a browser shows a page only if S3 says it is one
    with fs.open_output_stream(path, metadata={"Content-Type": kind}) as stream:
        stream.write(data)


def write_atomically(path: str, data: bytes) -> None:
    """Write a local file so that a reader sees the old bytes or the new ones, even after a crash."""
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
