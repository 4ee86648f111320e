"""How good features are on photos of varieties the network has never seen: two figures a weights file.

    photos ──bicubic 224 px──▶ network ──▶ (n, 1280) ──▶ nearest neighbour among 5 known photos a variety (cosine)
                                                    └──▶ principal components that reach 90 % of the variance

    python -m transforms.evaluate_weights --photos DIR WEIGHTS.keras [WEIGHTS.keras ...]

DIR holds one folder of photos a variety. The split is by whole varieties and fixed: it depends on their names only.
Needs TensorFlow and NumPy, no Spark.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.keras_export import load_keras
from transforms.weights import SIDE

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_SHOTS = 5  # photos of a variety that the search knows
_DRAWS = 20  # of these five, seeds 0 to 19; the figures are means over them
_PHOTOS_A_CALL = 60


@dataclass(frozen=True)
class Photos:
    """pixels (n, 224, 224, 3) exactly as inference sees them; labels (n,) point into varieties."""

    pixels: npt.NDArray[np.uint8]
    labels: Labels
    varieties: list[str]

    def of(self, varieties: list[str]) -> Photos:
        """Only these varieties; labels are numbered anew, in the order given."""
        new = np.full(len(self.varieties), -1)
        new[[self.varieties.index(v) for v in varieties]] = np.arange(len(varieties))
        mine = new[self.labels] >= 0
        return Photos(self.pixels[mine], new[self.labels[mine]], varieties)


def load(folder: Path) -> Photos:
    """All photos of folder/<variety>/*.jpg."""
    varieties = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(i, path) for i, variety in enumerate(varieties) for path in sorted((folder / variety).glob("*.jpg"))]
    pixels = np.empty((len(files), SIDE, SIDE, 3), np.uint8)
    for row, (_, path) in zip(pixels, files, strict=True):
        with Image.open(path) as image:
            row[:] = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return Photos(pixels, np.array([i for i, _ in files]), varieties)


def split(varieties: list[str]) -> tuple[list[str], list[str], list[str]]:
    """(trained, validation, unseen): in the order of names, of every ten the 3rd and 8th are unseen, the 10th
    validates. Neighbours in that order are mostly the same fruit, so every common fruit is on all sides."""
    unseen = [v for i, v in enumerate(varieties) if i % 5 == 2]
    validation = [v for i, v in enumerate(varieties) if i % 10 == 9]
    return [v for v in varieties if v not in unseen and v not in validation], validation, unseen


def features(network: keras.Model, pixels: npt.NDArray[np.uint8]) -> Floats:
    """The network's numbers of (n, 224, 224, 3) pixels."""
    parts = (pixels[i : i + _PHOTOS_A_CALL] for i in range(0, len(pixels), _PHOTOS_A_CALL))
    return np.concatenate([network.predict_on_batch(p.astype(np.float32) / 127.5 - 1) for p in parts])


def components(x: Floats, share: float = 0.9) -> int:
    """How many principal components (centred, not standardised) reach this share of the variance."""
    variances = np.linalg.eigvalsh(np.cov(x.astype(np.float64).T))[::-1]
    return int(np.searchsorted(np.cumsum(variances) / variances.sum(), share)) + 1


def few_shot(x: Floats, labels: Labels, asked: Labels) -> float:
    """How often the nearest of the known photos is of the right variety. All varieties in labels are known by
    five photos each; the other photos of the varieties in asked are the questions."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    shares = []
    for seed in range(_DRAWS):
        random = np.random.default_rng(seed)
        known = np.concatenate(
            [random.choice(np.flatnonzero(labels == v), _SHOTS, replace=False) for v in np.unique(labels)]
        )
        questions = np.setdiff1d(np.flatnonzero(np.isin(labels, asked)), known)
        nearest = known[(x[questions] @ x[known].T).argmax(axis=1)]
        shares.append((labels[nearest] == labels[questions]).mean())
    return round(float(np.mean(shares)), 4)


def protocol(photos: Photos) -> dict[str, Any]:
    """What the figures were measured on, for the model card."""
    trained, validation, unseen = split(photos.varieties)
    return {
        "split": "in the order of names, of every ten varieties the 3rd and 8th are unseen, the 10th validates",
        "varieties_trained": trained,
        "varieties_validation": validation,
        "varieties_unseen": unseen,
        "photos": len(photos.labels),
        "five_shot": f"share of photos whose nearest neighbour (cosine) is of their variety, {_SHOTS} known photos a "
        f"variety, mean of {_DRAWS} draws; among_all: the known photos are of all varieties, not only of these",
        "components_90": "principal components, centred, not standardised, that reach 90 % of the variance",
    }


def evaluate(network: keras.Model, photos: Photos) -> dict[str, Any]:
    """The figures of one network, for the varieties that validate and for the unseen ones."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("weights", type=Path, nargs="+")
    args = parser.parse_args()
    photos = load(args.photos)
    for weights in args.weights:
        print(json.dumps({"weights": weights.name} | evaluate(load_keras(weights), photos)), flush=True)


if __name__ == "__main__":
    main()
