"""Small pictures of a few photos, made on the executors: no photo travels to the driver.

image ids + bronze.images ──filter──▶ photo bytes ──Arrow function──▶ JPEG of at most 48 px
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from os.path import basename

import pyarrow as pa
from PIL import Image, ImageOps
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.snapshot import Snapshot
from catalog.storage import files
from expectations.report.contents import Point

Decode = Callable[[bytes], Image.Image]  # a stored photo as an upright RGB image

MAX_THUMBNAILS = 300
SIDE = 48  # px
_QUALITY = 72  # of JPEG; about 1 kB a thumbnail
_MAX_BYTES = 512 * 1024 * 1024  # of bronze that is read: Parquet has no way to read single photos
_ARROW = pa.schema([("image_id", pa.string()), ("thumbnail", pa.binary())])


def thumbnails(
    images: DataFrame, lake: str, snapshot: Snapshot, points: Sequence[Point], decode: Decode
) -> dict[str, bytes]:
    """JPEGs by image id, for up to MAX_THUMBNAILS of the points; the points come dealt evenly to the labels.

    In a large lake only the newest files of bronze are read, and fewer of the points get a thumbnail.
    """
    wanted = [p.image_id for p in points]
    rows = images
    if snapshot.bytes > _MAX_BYTES:
        rows = rows.where(F.col("_metadata.file_name").isin(_newest_files(lake, snapshot)))
        there = {r.image_id for r in rows.where(F.col("image_id").isin(wanted)).select("image_id").collect()}
        wanted = [i for i in wanted if i in there]
    chosen = rows.where(F.col("image_id").isin(wanted[:MAX_THUMBNAILS])).select("image_id", "content")

    def shrink(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            small = [(row["image_id"], _thumbnail(row["content"], decode)) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist([{"image_id": i, "thumbnail": t} for i, t in small if t], _ARROW)

    made = chosen.mapInArrow(shrink, "image_id string, thumbnail binary").collect()
    return {r.image_id: bytes(r.thumbnail) for r in made}


def _newest_files(lake: str, snapshot: Snapshot) -> list[str]:
    """Names of bronze's newest files, together below the limit, but at least one."""
    names: list[str] = []
    held = 0
    for _, folder in sorted(snapshot.partitions.items(), reverse=True):
        for file in files(f"{lake}/{folder}"):
            if not file.path.endswith(".parquet"):
                continue
            held += file.size
            if names and held > _MAX_BYTES:
                return names
            names.append(basename(file.path))
    return names


def _thumbnail(content: bytes, decode: Decode) -> bytes | None:
    try:
        image = _open(content, decode)
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY)
    except Exception:  # noqa: BLE001  # a decoder may raise nearly anything; the page does without this one
        return None
    return out.getvalue()


def _open(content: bytes, decode: Decode) -> Image.Image:
    """The photo, decoded only as large as needed where its format can do that."""
    image = Image.open(io.BytesIO(content))
    if image.format != "JPEG" or image.mode != "RGB":
        return decode(content)
    image.draft("RGB", (2 * SIDE, 2 * SIDE))
    return ImageOps.exif_transpose(image)
