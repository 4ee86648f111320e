"""Measure how good features are for varieties not seen in training: two figures per weights file.

    photos ──bicubic 224 px──▶ network ──▶ (n, 1280) ──▶ nearest neighbour among 5 known photos per variety (cosine)
                                                    └──▶ principal components that reach 90 % of the variance

Whole varieties are assigned to a part of the split, by their names only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.model_card import DRAWS, SHOTS, components, few_shot
from transforms.weights import SIDE

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_PHOTOS_PER_CALL = 60


@dataclass(frozen=True)
class Photos:
    """Photos. pixels: (n, 224, 224, 3), as at inference; labels: (n,), indexes into varieties."""

    pixels: npt.NDArray[np.uint8]
    labels: Labels
    varieties: list[str]

    def of(self, varieties: list[str]) -> Photos:
        """Only the photos of these varieties; labels become indexes into them."""
        new = np.full(len(self.varieties), -1)
        new[[self.varieties.index(v) for v in varieties]] = np.arange(len(varieties))
        mine = new[self.labels] >= 0
        return Photos(self.pixels[mine], new[self.labels[mine]], varieties)


def load(folder: Path) -> Photos:
    """Load all photos of folder/<variety>/*.jpg."""
    varieties = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(i, path) for i, variety in enumerate(varieties) for path in sorted((folder / variety).glob("*.jpg"))]
    pixels = np.empty((len(files), SIDE, SIDE, 3), np.uint8)
    for row, (_, path) in zip(pixels, files, strict=True):
        with Image.open(path) as image:
            row[:] = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return Photos(pixels, np.array([i for i, _ in files]), varieties)


def split(varieties: list[str]) -> tuple[list[str], list[str], list[str]]:
    """(trained, validation, unseen): of every ten names in order, the 3rd and 8th are unseen, the 10th validation.

    Neighbouring names are mostly of the same fruit, so every common fruit is in all three parts.
    """
    unseen = [v for i, v in enumerate(varieties) if i % 5 == 2]
    validation = [v for i, v in enumerate(varieties) if i % 10 == 9]
    return [v for v in varieties if v not in unseen and v not in validation], validation, unseen


def features(network: keras.Model, pixels: npt.NDArray[np.uint8]) -> Floats:
    """Compute the network's features of pixels (n, 224, 224, 3)."""
    parts = (pixels[i : i + _PHOTOS_PER_CALL] for i in range(0, len(pixels), _PHOTOS_PER_CALL))
    return np.concatenate([network.predict_on_batch(p.astype(np.float32) / 127.5 - 1) for p in parts])


def protocol(photos: Photos) -> dict[str, Any]:
    """How the figures were measured, for the model card."""
    trained, validation, unseen = split(photos.varieties)
    return {
        "split": "in the order of names, of every ten varieties the 3rd and 8th are unseen, the 10th validates",
        "varieties_trained": trained,
        "varieties_validation": validation,
        "varieties_unseen": unseen,
        "photos": len(photos.labels),
        "five_shot": f"share of photos whose nearest neighbour (cosine) is of their variety, {SHOTS} known photos "
        f"per variety, mean of {DRAWS} draws; among_all: the known photos are of all varieties, not only of these",
        "components_90": "principal components, centred, not standardised, that reach 90 % of the variance",
    }


def evaluate(network: keras.Model, photos: Photos) -> dict[str, Any]:
    """Compute one network's figures, for the validation varieties and the unseen ones."""
    x, labels = features(network, photos.pixels), photos.labels
    _, validation, unseen = split(photos.varieties)
    figures: dict[str, Any] = {"components_90_all": components(x)}
    for name, varieties in (("validation", validation), ("unseen", unseen)):
        asked = np.array([photos.varieties.index(v) for v in varieties])
        mine = np.isin(labels, asked)
        figures[f"components_90_{name}"] = components(x[mine])
        figures[f"five_shot_{name}"] = few_shot(x[mine], labels[mine], asked)
        figures[f"five_shot_{name}_among_all"] = few_shot(x, labels, asked)
    return figures
