"""N photos to measure with: the user's, or the samples repeated, every copy shifted so that it is another photo."""

from __future__ import annotations

import itertools
from pathlib import Path

from PIL import Image, ImageChops

from catalog.errors import SourceError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def photo_files(folder: Path, count: int) -> list[Path]:
    """The first `count` photos below a folder, taken from its subfolders in turn. Raises SourceError for too few."""
    by_label: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES:
            by_label.setdefault(path.parent, []).append(path)
    mixed = [p for row in itertools.zip_longest(*by_label.values()) for p in row if p is not None]
    if len(mixed) < count:
        raise SourceError(f"'{folder}' holds {len(mixed):,} photos, {count:,} are to be measured: lower --photos")
    return mixed[:count]


def link_photos(files: list[Path], target: Path) -> Path:
    """A tree of links to the files, one folder a label: the same photos for every contender."""
    for file in files:
        folder = target / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).symlink_to(file)
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
            with Image.open(source) as image:
                ImageChops.offset(image, again % 13 - 6, again // 13 % 13 - 6).save(path, quality=90)
    return target
