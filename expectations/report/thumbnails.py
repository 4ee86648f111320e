"""Thumbnails of a few photos.

image ids + bronze.images ──Arrow, filter──▶ photo bytes ──Pillow──▶ JPEG of at most 48 px
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from threading import Lock

import pyarrow.compute as pc
from PIL import Image, ImageOps

from catalog.lake import Lake
from catalog.parquet import stream
from catalog.scan import data_files, dataset_of
from catalog.tables import IMAGES
from ingestion.photo import decode

MAX_THUMBNAILS = 300
SIDE = 48  # px
_QUALITY = 72  # JPEG quality; about 1 kB per thumbnail
_MAX_BYTES = 512 * 1024 * 1024  # limit on bytes read from bronze: single photos cannot be read from Parquet
_THREADS = 2
_WHOLE = Lock()  # held to decode a photo at its full size, which may take 640 MB


def thumbnails(lake: Lake, image_ids: Sequence[str]) -> dict[str, bytes]:
    """Make JPEG thumbnails, by image id, of the first MAX_THUMBNAILS ids.

    In a large lake, only some of bronze's files are read, so fewer photos get a thumbnail.
    """
    images = lake.load(IMAGES.name)
    assert images is not None  # it was published
    wanted = pc.field("image_id").isin(list(dict.fromkeys(image_ids))[:MAX_THUMBNAILS])
    photos = dataset_of(IMAGES, _some_files(data_files(images)))
    made: dict[str, bytes | None] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in stream(photos, ["image_id", "content"], wanted, files_ahead=1):  # batches have 16 MB, or one photo
            ids, contents = (column.to_pylist() for column in batch.columns)
            made.update(zip(ids, pool.map(_thumbnail, contents), strict=True))
    return {image_id: jpeg for image_id, jpeg in made.items() if jpeg is not None}


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
            with _WHOLE:
                image = decode(content)
        image.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY)
    except Exception:  # noqa: BLE001  # a decoder may raise nearly anything; the page leaves out this thumbnail
        return None
    return out.getvalue()
