"""The demo's photos: complete, all different, and with unchanged pixels."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from ingestion.samples import SAMPLE_LABELS, sample_photos, write_sample_photos
from transforms.network import to_pixels

# The first 16 hex digits of the SHA-256 of each photo's pixels, decoded and resized. To rewrite the file after an
# intended change of pixels: python -m tests.ingestion.test_samples
_PIXELS = Path(__file__).with_name("demo_pixels.json")


def seen_by_the_network() -> dict[str, str]:
    """File name of each demo photo → hash of its pixels."""
    photos = [photo for label in SAMPLE_LABELS for photo in sample_photos(label)]
    return {p.name: hashlib.sha256(to_pixels(p.read_bytes()).tobytes()).hexdigest()[:16] for p in photos}


def test_there_are_480_different_photos_of_16_labels() -> None:
    photos = [photo for label in SAMPLE_LABELS for photo in sample_photos(label)]
    assert (len(SAMPLE_LABELS), len(photos)) == (16, 480)
    assert "Pêche Blanche" in SAMPLE_LABELS, "the demo must have a non-ASCII label"
    assert sum(photo.stat().st_size for photo in photos) < 3 * 2**20
    for photo in photos:
        with Image.open(photo) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (160, 160))


def test_the_network_sees_the_same_pixels_as_ever() -> None:
    seen = seen_by_the_network()
    assert seen == json.loads(_PIXELS.read_text())
    assert len(set(seen.values())) == 480


def test_photos_are_copied_by_label_and_what_is_there_stays(tmp_path: Path) -> None:
    own = tmp_path / "Lemon" / "lemon_001.jpg"
    own.parent.mkdir()
    own.write_bytes(b"somebody's own")
    assert write_sample_photos(tmp_path, per_label=2, labels=["Lemon", "Plum"]) == 4
    assert own.read_bytes() == b"somebody's own"
    copied = tmp_path / "Plum" / "plum_000.jpg"
    assert copied.read_bytes() == sample_photos("Plum")[0].read_bytes()
    assert len([*tmp_path.rglob("*.*")]) == 4, "no other files may remain"


def test_unknown_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'Potato'.*Apple Braeburn"):
        write_sample_photos(tmp_path, labels=["Lemon", "Potato"])
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    _PIXELS.write_text(json.dumps(seen_by_the_network(), indent=0) + "\n")
