"""Thumbnails of a few photos, made in the executors so that no photo travels to the driver.

image ids + bronze.images ──filter──▶ photo bytes ──Arrow function──▶ JPEG of at most 48 px
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageOps
from pyspark.sql import SparkSession

from catalog.lake import Lake
from catalog.scan import FileScan, data_files
from catalog.tables import IMAGES
from ingestion.photo import decode

MAX_THUMBNAILS = 300
SIDE = 48  # px
_QUALITY = 72  # JPEG quality; about 1 kB per thumbnail
_MAX_BYTES = 512 * 1024 * 1024  # limit on bytes read from bronze: single photos cannot be read from Parquet


def thumbnails(spark: SparkSession, lake: Lake, image_ids: Sequence[str]) -> dict[str, bytes]:
    """Make JPEG thumbnails, by image id, of the first MAX_THUMBNAILS ids.

    In a large lake, only some of bronze's files are read, so fewer photos get a thumbnail.
    """
    images = lake.load(IMAGES.name)
    assert images is not None  # it was published
    wanted = list(dict.fromkeys(image_ids))[:MAX_THUMBNAILS]
    scan = FileScan(spark, _some_files(data_files(images)), ["image_id", "content"])

    def shrink(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            chosen = batch.filter(pc.is_in(batch["image_id"], value_set=pa.array(wanted, pa.string())))
            made = [_thumbnail(content) for content in chosen["content"].to_pylist()]
            yield pa.RecordBatch.from_arrays([chosen["image_id"], pa.array(made, pa.binary())], ["image_id", "made"])

    rows = scan.mapInArrow(shrink, "image_id string, made binary").collect()
    return {row.image_id: bytes(row.made) for row in rows if row.made is not None}


def _some_files(sizes: dict[str, int]) -> dict[str, int]:
    """Choose files whose total size stays below the limit, but at least one."""
    files = sorted(sizes.items())
    totals = accumulate(size for _, size in files)
    return dict([file for file, total in zip(files, totals, strict=True) if total <= _MAX_BYTES] or files[:1])


def _thumbnail(content: bytes) -> bytes | None:
    try:
        image: Image.Image = Image.open(io.BytesIO(content))
        if image.format == "JPEG" and image.mode == "RGB":
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # decoded at reduced size
            image = ImageOps.exif_transpose(image)
        else:
            image = decode(content)
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY)
    except Exception:  # noqa: BLE001  # a decoder may raise nearly anything; the page leaves out this thumbnail
        return None
    return out.getvalue()
