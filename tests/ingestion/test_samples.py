"""The demo photos: the same on every run, all different, and worth learning from."""

from __future__ import annotations

import io
import pathlib
import unicodedata

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ingestion.samples import SAMPLE_LABELS, draw_photo, write_sample_photos

PER_LABEL = 12
SIZE = 64
TWO = ("Lemon", "Pêche Blanche")


@pytest.fixture(scope="module")
def photos() -> npt.NDArray[np.uint8]:
    """PER_LABEL photos of each label: (labels, PER_LABEL, SIZE, SIZE, 3)."""
    return np.array([[np.asarray(draw_photo(label, i, SIZE)) for i in range(PER_LABEL)] for label in SAMPLE_LABELS])


def _thumbnails(photos: npt.NDArray[np.uint8], edge: int) -> npt.NDArray[np.float64]:
    """Block means of the photos, in [0, 1]: (labels, PER_LABEL, edge * edge * 3)."""
    block = SIZE // edge
    blocks = photos.reshape(*photos.shape[:2], edge, block, edge, block, 3) / 255.0
    means: npt.NDArray[np.float64] = blocks.mean(axis=(3, 5))
    return means.reshape(*photos.shape[:2], -1)


def test_labels_suit_a_demo() -> None:
    assert len(set(SAMPLE_LABELS)) == len(SAMPLE_LABELS) >= 12
    assert any(not label.isascii() for label in SAMPLE_LABELS)
    assert all(unicodedata.is_normalized("NFC", label) for label in SAMPLE_LABELS)


def test_unknown_label_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="Potato"):
        draw_photo("Potato", 0)
    with pytest.raises(ValueError, match="Potato"):
        write_sample_photos(tmp_path, labels=["Lemon", "Potato"])
    assert _tree(tmp_path) == {}


@pytest.mark.parametrize("size", [32, 100, 160])
def test_size_and_mode(size: int) -> None:
    photo = draw_photo("Pêche Blanche", 3, size)
    assert (photo.size, photo.mode) == ((size, size), "RGB")


def test_same_arguments_same_photo(photos: npt.NDArray[np.uint8]) -> None:
    """Drawn alone, out of order and long after its neighbours, a photo comes out the same."""
    for label, own in zip(SAMPLE_LABELS, photos, strict=True):
        np.testing.assert_array_equal(np.asarray(draw_photo(label, 7, SIZE)), own[7], err_msg=label)


def test_no_two_photos_alike(photos: npt.NDArray[np.uint8]) -> None:
    different = {photo.tobytes() for photo in photos.reshape(-1, SIZE, SIZE, 3)}
    assert len(different) == len(SAMPLE_LABELS) * PER_LABEL


def test_one_fruit_on_a_white_stand(photos: npt.NDArray[np.uint8]) -> None:
    fruit = (photos.min(axis=-1) < 150).mean(axis=(2, 3))  # share of dark or coloured pixels
    assert fruit.min() > 0.07
    assert fruit.max() < 0.85
    corners = photos[:, :, [0, 0], [0, -1]]  # the upper two: the lower may lie in shadow
    assert np.median(corners) > 235
    assert corners.min() > 200


def test_photos_of_a_label_vary(photos: npt.NDArray[np.uint8]) -> None:
    """A PCA must find many directions to keep, within one label as well as over all."""
    thumbnails = _thumbnails(photos, 16)
    flat = thumbnails.reshape(-1, thumbnails.shape[-1])
    power = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False) ** 2
    assert np.searchsorted(np.cumsum(power) / power.sum(), 0.95) >= 20
    for label, own in zip(SAMPLE_LABELS, thumbnails, strict=True):
        power = np.linalg.svd(own - own.mean(axis=0), compute_uv=False) ** 2
        assert power[0] / power.sum() < 0.85, label


def _share_recognised(features: npt.NDArray[np.float64]) -> float:
    """How often a photo is nearest the mean of its own label's other photos; (labels, PER_LABEL, n)."""
    total = features.sum(axis=1)
    right = 0
    for label, own in enumerate(features):
        for one in own:
            centroids = total / PER_LABEL
            centroids[label] = (total[label] - one) / (PER_LABEL - 1)
            right += int(np.linalg.norm(centroids - one, axis=1).argmin() == label)
    return right / (len(features) * PER_LABEL)


def test_labels_can_be_told_apart(photos: npt.NDArray[np.uint8]) -> None:
    """By the simplest classifier: on 8 x 8 thumbnails, and better on how much there is of which colour."""
    assert _share_recognised(_thumbnails(photos, 8)) > 0.8
    colours = (photos // 52) @ np.array([25, 5, 1])  # each pixel's cell in a 5 x 5 x 5 cube of colours
    counts = [[np.bincount(photo.ravel(), minlength=125) for photo in own] for own in colours]
    assert _share_recognised(np.sqrt(np.array(counts) / SIZE**2)) > 0.9


def _tree(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_writes_one_folder_a_label(tmp_path: pathlib.Path) -> None:
    total = 2 * len(SAMPLE_LABELS)
    assert write_sample_photos(tmp_path / "new" / "photos", per_label=2, size=32, workers=1) == total
    tree = _tree(tmp_path / "new" / "photos")
    assert len(tree) == len(set(tree.values())) == total
    assert {name.split("/")[0] for name in tree} == set(SAMPLE_LABELS)
    assert "Pêche Blanche/peche-blanche_001.jpg" in tree
    for encoded in tree.values():
        with Image.open(io.BytesIO(encoded)) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (32, 32))


def test_many_workers_write_the_same_photos(tmp_path: pathlib.Path) -> None:
    for workers in (1, 2):
        count = write_sample_photos(tmp_path / str(workers), per_label=9, size=32, labels=TWO, workers=workers)
        assert count == 18
    assert _tree(tmp_path / "1") == _tree(tmp_path / "2")


def test_writing_again_draws_only_what_is_missing(tmp_path: pathlib.Path) -> None:
    write_sample_photos(tmp_path, per_label=3, size=32, labels=TWO, workers=1)
    complete = _tree(tmp_path)
    (tmp_path / "Lemon" / "lemon_001.jpg").unlink()
    (tmp_path / "Lemon" / "lemon_002.jpg").write_bytes(b"somebody's own")
    assert write_sample_photos(tmp_path, per_label=2, size=32, labels=TWO, workers=1) == 6
    assert _tree(tmp_path) == complete | {"Lemon/lemon_002.jpg": b"somebody's own"}


def test_a_crash_leaves_no_partial_photo(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pathlib.Path, "replace", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write_sample_photos(tmp_path, per_label=1, size=32, workers=1)
    assert _tree(tmp_path) == {}
