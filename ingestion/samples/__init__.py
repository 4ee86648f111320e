"""The demo's photos: 30 of each of 16 varieties, drawn for this project. README.md says more about them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

_PHOTOS = Path(__file__).with_name("photos")
SAMPLE_LABELS: tuple[str, ...] = tuple(sorted(folder.name for folder in _PHOTOS.iterdir()))


def sample_photos(label: str) -> list[Path]:
    """The photos of one variety, in the package. Raises ValueError if there is no such variety."""
    if label not in SAMPLE_LABELS:
        raise ValueError(f"there are no sample photos of {label!r}: choose from {', '.join(SAMPLE_LABELS)}")
    return sorted((_PHOTOS / label).glob("*.jpg"))


def write_sample_photos(folder: Path, per_label: int = 30, labels: Sequence[str] = SAMPLE_LABELS) -> int:
    """Copy the first photos of each label to <folder>/<label>/, unless they exist. Returns how many are there then."""
    wanted = [(photo, folder / label / photo.name) for label in labels for photo in sample_photos(label)[:per_label]]
    for photo, target in wanted:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # A copy that is killed leaves no half photo: the lake ignores names that begin with "._".
            part = target.with_name(f"._{target.name}.{os.getpid()}")
            shutil.copyfile(photo, part)
            part.replace(target)
    return sum(1 for label in labels for _ in (folder / label).glob("[!.]*.jpg"))
