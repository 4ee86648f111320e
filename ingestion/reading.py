"""What the executors do with each listed file: read it, strip it of metadata, check it, hash it.

listed files (Arrow) ──read──▶ bytes ──metadata.strip──▶ bytes ──photo.check──▶ the file with content, size and
                                                                        image_id, or with the reason

A disk answers at once; a bucket takes 20 to 50 ms for every object, so a task has many requests under way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from catalog.storage import filesystem, is_remote
from ingestion.metadata import strip
from ingestion.photo import MAX_BYTES, Rejected, check

_BATCH_BYTES = 8 * 1024 * 1024  # of photos an Arrow batch, so that a worker's memory stays small
_BATCH_ROWS = 256
_REQUESTS = 32  # to a bucket at once; 32 in flight at 50 ms each are 640 photos/s a task
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # as a folder label=… it would be read back as null
_MAX_FOLDER_NAME = 255  # bytes, what file systems allow
_ARROW = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("source_path", pa.string()),
        ("content", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("size", pa.int64()),
        ("source_modified_at", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
CHECKED_SCHEMA = (
    "image_id string, label string, source_path string, content binary, width int, height int, size bigint, "
    "source_modified_at timestamp, reason string, detail string"
)


def check_files(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, object]] = []
    held = 0
    for file, content in _with_content(file for batch in batches for file in batch.to_pylist()):
        row = _check_file(file, content)
        rows.append(row)
        held += len(content) if isinstance(content, bytes) else 0
        if held >= _BATCH_BYTES or len(rows) >= _BATCH_ROWS:
            yield pa.RecordBatch.from_pylist(rows, _ARROW)
            rows, held = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, _ARROW)


File = dict[str, Any]  # one row of the listing
Content = bytes | Rejected  # what reading a file gave


def _with_content(files: Iterable[File]) -> Iterator[tuple[File, Content]]:
    """Every file with its bytes, in order; those of a bucket are fetched many at a time."""
    with ThreadPoolExecutor(_REQUESTS) as pool:  # starts no thread before it has work
        for group in _groups(files):
            remote = is_remote(group[0]["source_path"])
            yield from zip(group, pool.map(_read, group) if remote else map(_read, group), strict=True)


def _groups(files: Iterable[File]) -> Iterator[list[File]]:
    """Files to read together: few enough, and small enough, that their bytes fit in memory at once."""
    group: list[File] = []
    size = 0
    for file in files:
        if group and (len(group) >= _REQUESTS or size + file["size"] > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file["size"]
    if group:
        yield group


def _check_file(file: File, content: Content) -> dict[str, object]:
    """The listed file with its content and facts, or with the reason why not."""
    row = {**file, "image_id": None, "content": None, "width": None, "height": None}
    if isinstance(content, Rejected):
        return row | {"reason": content.reason, "detail": content.detail}
    try:
        content = strip(content)  # before it is checked: what is stored is what was found to be whole
        facts = check(content)
    except Rejected as rejection:
        return row | {"reason": rejection.reason, "detail": rejection.detail}
    return row | {
        "image_id": hashlib.sha256(content).hexdigest(),
        "content": content,
        "width": facts.width,
        "height": facts.height,
    }


def _read(file: File) -> Content:
    """The file's bytes, or why there are none."""
    if file["reason"] is not None:
        return Rejected(file["reason"], file["detail"])
    path, size = file["source_path"], file["size"]
    try:
        _check_label(file["label"])
        if size > MAX_BYTES:
            raise Rejected("too large", f"{size:,} bytes, at most {MAX_BYTES:,}")
        if is_remote(path):
            fs, inner = filesystem(path)
            with fs.open_input_stream(inner, compression=None) as stream:
                return bytes(stream.read(MAX_BYTES))
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES)  # a pipe or a file that grows must not fill the memory
    except Rejected as rejection:
        return rejection
    except OSError as error:
        return Rejected("unreadable source", error.strerror or str(error))


def _check_label(label: object) -> None:
    """A label becomes the folder `label=…`, so it must be there and must fit."""
    if not isinstance(label, str) or not label.strip():
        raise Rejected("label missing", "the photo is in no folder that could name it")
    if label == _HIVE_NULL:
        raise Rejected("label missing", f"'{label}' is how Hive writes a missing value: rename the folder")
    if len(f"label={partition_value(label)}".encode()) > _MAX_FOLDER_NAME:
        raise Rejected("label missing", f"its folder's name is too long for label=…: at most {_MAX_FOLDER_NAME} bytes")


def partition_value(value: str) -> str:
    """The value as Spark writes it in a folder name (`ExternalCatalogUtils.escapePathName`)."""
    return "".join(f"%{ord(c):02X}" if c in _ESCAPED else c for c in value)


_ESCAPED = {chr(c) for c in range(1, 0x20)} | set("\"#%'*/:=?\\\x7f{[]^")
