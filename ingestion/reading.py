"""Read, strip, check and hash the listed files, in the executors.

listed files (Arrow) ──read──▶ bytes ──admission.admit──▶ the file with content, size and image_id, or with the reason

A bucket takes 20 to 50 ms per object, so a task keeps many requests in flight. Memory is bounded by the bytes read
ahead and the bytes per Arrow batch; either holds at least one photo, whatever its size.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
from more_itertools import constrained_batches

from catalog.blocklist import BlockList
from catalog.storage import filesystem, is_remote
from catalog.tables import arrow_schema
from ingestion.admission import admit, image_id_of
from ingestion.photo import MAX_BYTES, Rejected

_BATCH_BYTES = 8 * 1024 * 1024  # photos per Arrow batch, or one larger photo
_BATCH_ROWS = 256
_AHEAD_BYTES = 16 * 1024 * 1024  # photos to read ahead, or one larger photo
_REQUESTS = 32  # concurrent requests to a bucket; at 50 ms each, 640 photos/s per task
BLOCKED = "blocked"  # the reason of a photo on a block list; it is left out, not quarantined
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # in an export, label=… of this name would be read as null
_MAX_FOLDER_NAME = 255  # bytes; the limit of common file systems
CHECKED_SCHEMA = (
    "image_id string, label string, source_path string, content binary, width int, height int, size bigint, "
    "source_modified_at timestamp, reason string, detail string"
)
_ARROW = arrow_schema(CHECKED_SCHEMA)


def check_files(batches: Iterable[pa.RecordBatch], block_lists: Sequence[BlockList] = ()) -> Iterator[pa.RecordBatch]:
    """Read and check the listed files; yields rows of CHECKED_SCHEMA. Photos on a block list get the reason BLOCKED."""
    files = with_content(file for batch in batches for file in batch.to_pylist())
    rows = (_check_file(file, content, block_lists) for file, content in files)
    groups = constrained_batches(
        rows, _BATCH_BYTES, _BATCH_ROWS, lambda row: len(row.get("content", b"")), strict=False
    )
    return map(lambda group: pa.RecordBatch.from_pylist(group, _ARROW), groups)  # keeps no group while the next grows


File = dict[str, Any]  # one row of the listing, or of CHECKED_SCHEMA
Content = bytes | Rejected  # a file's bytes, or why they could not be read


def with_content(files: Iterable[File]) -> Iterator[tuple[File, Content]]:
    """Yield every file with its bytes, in order. Files in a bucket are fetched concurrently."""
    with ThreadPoolExecutor(_REQUESTS) as pool:  # starts threads only when there is work
        for group in constrained_batches(files, _AHEAD_BYTES, _REQUESTS, lambda file: file["size"], strict=False):
            remote = is_remote(group[0]["source_path"])
            yield from zip(group, pool.map(_read, group) if remote else map(_read, group), strict=True)


def _check_file(file: File, content: Content, block_lists: Sequence[BlockList]) -> File:
    """Check one file; returns its row of CHECKED_SCHEMA, without the columns that are null."""
    try:
        if isinstance(content, Rejected):
            raise content
        photo, (width, height) = admit(content)
    except Rejected as rejection:
        return file | {"reason": rejection.reason, "detail": rejection.detail}
    image_id = image_id_of(photo)
    if any(image_id in block_list for block_list in block_lists):
        return file | {"reason": BLOCKED}
    return file | {"image_id": image_id, "content": photo, "width": width, "height": height}


def _read(file: File) -> Content:
    """Read a file's bytes, unless the listing, its label or its size rules it out."""
    if file["reason"] is not None:
        return Rejected(file["reason"], file["detail"])
    path, size = file["source_path"], file["size"]
    try:
        _check_label(file["label"])
        if size > MAX_BYTES:
            raise Rejected("too large", f"{size:,} bytes, at most {MAX_BYTES:,}")
        return read_photo(path)
    except Rejected as rejection:
        return rejection
    except OSError as error:
        return Rejected("unreadable source", error.strerror or str(error))


def read_photo(path: str) -> bytes:
    """Read a file, at most MAX_BYTES: a pipe or a growing file must not fill the memory. Raises Rejected, OSError."""
    if is_remote(path):
        fs, inner = filesystem(path)
        with fs.open_input_stream(inner, compression=None) as stream:
            content = bytes(stream.read(MAX_BYTES + 1))
    else:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Rejected("too large", f"over {MAX_BYTES:,} bytes")
    return content


def _check_label(label: object) -> None:
    """Raise Rejected if the label is missing or too long: it becomes the name of a partition folder in gold."""
    if not isinstance(label, str) or not label.strip():
        raise Rejected("label missing", "the photo is not in a label's folder")
    if label == _HIVE_NULL:
        raise Rejected("label missing", f"'{label}' is how Hive writes a missing value: rename the folder")
    if (length := len(partition_folder(label))) > _MAX_FOLDER_NAME:
        raise Rejected(
            "label missing", f"'label=…' is {length} bytes with %XX for special characters, over {_MAX_FOLDER_NAME}"
        )


def partition_folder(label: str) -> str:
    """Name of the label's partition folder, as Iceberg encodes it (`PartitionSpec.partitionToPath`)."""
    return "label=" + quote_plus(label, safe="*").replace("~", "%7E")
