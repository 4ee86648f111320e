"""Photos by label and index, drawn alone or written as a folder tree by as many processes as there are cores."""

from __future__ import annotations

import io
import os
import pathlib
import unicodedata
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context

import numpy as np
from PIL import Image

from ingestion.samples.recipes import RECIPES
from ingestion.samples.studio import photograph

JPEG_QUALITY = 90
SAMPLE_LABELS: tuple[str, ...] = tuple(RECIPES)


@dataclass(frozen=True)
class _Photo:
    target: pathlib.Path
    label: str
    index: int


def draw_photo(label: str, index: int, size: int = 160) -> Image.Image:
    """Draw photo `index` of a fruit: RGB, `size` x `size` pixels, the same for the same three arguments."""
    _check(label)
    seed = zlib.crc32(label.encode())  # hash() differs from one process to the next
    # Golden-angle steps: any run of photos sees the fruit from all around, and no two from the same side.
    turn = index * np.pi * (3.0 - np.sqrt(5.0)) + float(np.random.default_rng(seed).uniform(0, 2 * np.pi))
    return photograph(RECIPES[label], np.random.default_rng([seed, index]), turn, size)


def write_sample_photos(
    folder: pathlib.Path,
    per_label: int = 30,
    size: int = 160,
    labels: Sequence[str] = SAMPLE_LABELS,
    workers: int | None = None,
) -> int:
    """Write <folder>/<label>/<slug>_<index>.jpg for indexes below `per_label`; photos already there stay.

    Returns how many photos the labels' folders then hold. Each file appears whole or not at all. `workers`
    processes draw, by default one a core; 1 draws in this very process.
    """
    for label in labels:
        _check(label)
    wanted = [
        _Photo(folder / label / f"{_slug(label)}_{index:03d}.jpg", label, index)
        for label in labels
        for index in range(per_label)
    ]
    missing = [photo for photo in wanted if not photo.target.exists()]
    workers = min(workers or os.cpu_count() or 1, len(missing))
    if workers <= 1:
        for photo in missing:
            _write(photo, size)
    else:
        # Spawned, not forked: a fork beside a JVM's or BLAS's threads may hang.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            list(pool.map(_write, missing, repeat(size), chunksize=8))
    return sum(1 for label in labels for _ in (folder / label).glob("*.jpg"))


def _write(photo: _Photo, size: int) -> None:
    encoded = io.BytesIO()
    draw_photo(photo.label, photo.index, size).save(encoded, "JPEG", quality=JPEG_QUALITY)
    photo.target.parent.mkdir(parents=True, exist_ok=True)
    part = photo.target.with_name(f"._{photo.target.name}.{os.getpid()}")  # "._": the lake skips such files
    try:
        part.write_bytes(encoded.getvalue())
        part.replace(photo.target)
    finally:
        part.unlink(missing_ok=True)


def _check(label: str) -> None:
    if label not in RECIPES:
        raise ValueError(f"no sample fruit is called {label!r}; choose from {', '.join(SAMPLE_LABELS)}")


def _slug(label: str) -> str:
    """A file name for a label: lower-case ASCII with dashes; the folder alone keeps the accents."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return "-".join(plain.lower().split())
