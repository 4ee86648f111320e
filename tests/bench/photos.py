"""N photos to measure with: the user's, or the samples repeated, every copy shifted so that it is another photo."""

import hashlib
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from bootstrap.settings import Settings
from catalog.errors import SourceError
from catalog.storage import is_remote
from ingestion.metadata import strip
from ingestion.photo import MAX_BYTES, Rejected, check
from ingestion.samples import write_sample_photos

PHONE, LARGEST = (4032, 3024), (8160, 6144)  # px, of a phone of 12 and one of 50 megapixels
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def sample_or_users_photos(settings: Settings, at_least: int, at_most: int) -> list[Path]:
    """Photos of --images; else the samples, repeated. Raises SourceError if --images has too few."""
    if settings.images is not None:
        return usable_photos(settings.images, at_least, at_most)
    samples = settings.cache / "sample-photos"
    write_sample_photos(samples)
    return usable_photos(str(repeat_samples(samples, settings.cache / "bench-photos", at_most)), at_most, at_most)


def usable_photos(folder: str, at_least: int, at_most: int) -> list[Path]:
    """Different photos that bronze would take, from the folder's subfolders in turn.

    Each is read here, so that no contender is the one to wait for the disk. Raises SourceError for too few.
    """
    if is_remote(folder):
        raise SourceError(f"'{folder}' is not on this machine: bench measures photos of a local folder")
    found: list[Path] = []
    seen: set[bytes] = set()
    for path in _in_turn(Path(folder)):
        content = strip(path.read_bytes())
        identity = hashlib.sha256(content).digest()
        if identity not in seen and _is_usable(content):
            seen.add(identity)
            found.append(path)
        if len(found) == at_most:
            break
    if len(found) < at_least:
        raise SourceError(
            f"'{folder}' holds {len(found):,} different usable photos, {at_least:,} are to be measured: lower --photos"
        )
    return found


def _in_turn(folder: Path) -> Iterator[Path]:
    by_label: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            by_label.setdefault(path.parent, []).append(path)
    return (path for row in itertools.zip_longest(*by_label.values()) for path in row if path is not None)


def _is_usable(content: bytes) -> bool:
    try:
        check(content)
    except Rejected:
        return False
    return True


def link_photos(files: list[Path], target: Path) -> Path:
    """A tree of links to the files, one folder per label: the same photos for every contender."""
    for number, file in enumerate(files):
        folder = target / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:07}{file.suffix}").symlink_to(file.absolute())
    return target


def repeat_samples(samples: Path, target: Path, count: int) -> Path:
    """At least `count` photos: every sample, again and again, rolled by some pixels and encoded anew."""
    files = sorted(samples.rglob("*.jpg"))
    for index in range(count):
        source = files[index % len(files)]
        again = index // len(files)
        path = target / source.parent.name / f"{source.stem}_{again:03}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_suffix(".part")  # what a killed bench leaves is not taken for a photo
            with Image.open(source) as image:
                ImageChops.offset(image, again % 13 - 6, again // 13 - 6).save(half, "JPEG", quality=90)
            os.replace(half, path)
    return target


def noisy_photos(folder: Path, count: int, size: tuple[int, int], noise: float, quality: int) -> list[int]:
    """So many different JPEGs, in two folders, coarse and fine noise; their sizes in bytes."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(60, 200, (189, 252, 3), dtype=np.uint8)).resize(size)
    fine = random.normal(0, noise, (size[1], size[0], 3)).astype(np.int16)
    photo = Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8))
    for label in ("Apple", "Pear"):
        (folder / label).mkdir(parents=True)
    sizes = []
    for number in range(count):
        encoded, now = io.BytesIO(), quality
        shifted = ImageChops.offset(photo, 8 * number, 0)
        shifted.save(encoded, "JPEG", quality=now, subsampling=0)
        while len(encoded.getvalue()) > MAX_BYTES:
            now, encoded = now - 1, io.BytesIO()
            shifted.save(encoded, "JPEG", quality=now, subsampling=0)
        path = folder / ("Apple", "Pear")[number % 2] / f"{number:03}.jpg"
        path.write_bytes(encoded.getvalue())
        sizes.append(path.stat().st_size)
    return sizes
