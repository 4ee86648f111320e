"""Compare two networks on the same photos: similarity of their features, accuracy and speed.

photos of bronze that int8 was not calibrated on ─┬─fp32─▶ (n, 1280) ─┬─▶ Card
                                                  └─int8─▶ (n, 1280) ─┘
"""

import json
import time
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.errors import RunError
from catalog.storage import write_object
from transforms.arrow import to_matrix
from transforms.featurizer import featurize
from transforms.quantization import calibration_ids
from transforms.weights import Featurizer

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

SHOTS = 5  # known photos per label
DRAWS = 20  # random choices of the known photos, seeds 0 to 19; the accuracy is their mean
_FEWEST = 20  # smallest number of photos for a meaningful result


@dataclass(frozen=True)
class Figures:
    """Results of one network on the photos of a card.

    Attributes:
        components: principal components that keep the wanted share of the variance.
        five_shot: share of photos whose nearest of five known photos per label has their label; None unless two labels
            have more than five photos.
        photos_per_second: rate of decoding, resizing and the network on this machine's Spark.
    """

    model_id: str
    components: int
    five_shot: float | None
    photos_per_second: float


@dataclass(frozen=True)
class Card:
    """fp32 and int8 on the same photos. cosine: of a photo's two features; same_nearest: share of the photos."""

    photos: int
    variance: float
    fp32: Figures
    int8: Figures
    cosine_mean: float
    cosine_min: float
    same_nearest: float


def compare(images: DataFrame, fp32: Featurizer, int8: Featurizer, variance: float, photos: int) -> Card:
    """Measure both networks on at most `photos` photos of images, except those that int8 was calibrated on.

    Raises RunError for too few photos.
    """
    ids = images.select("image_id").join(calibration_ids(images), "image_id", "left_anti")
    chosen = ids.orderBy(F.desc("image_id")).limit(photos)
    sample = images.join(F.broadcast(chosen), "image_id", "left_semi").select("image_id", "label", "content")
    sample = sample.repartition(images.sparkSession.sparkContext.defaultParallelism, "image_id").persist()
    count = sample.count()
    if count < _FEWEST:
        sample.unpersist()
        raise RunError(f"{count} photos beside those int8 is calibrated on are too few: {_FEWEST} or more are compared")
    try:
        (a, of_fp32), (b, of_int8) = (_measure(sample, featurizer, variance) for featurizer in (fp32, int8))
    finally:
        sample.unpersist()
    cosines = np.einsum("ij,ij->i", _unit(a), _unit(b))
    same_nearest = float((_nearest(a) == _nearest(b)).mean())
    return Card(count, variance, of_fp32, of_int8, float(cosines.mean()), float(cosines.min()), same_nearest)


def write_card(card: Card, int8: Featurizer) -> str:
    """Store the card next to the int8 model's folder. Returns its URI."""
    uri = f"{int8.uri.rpartition('/')[0]}.json"  # not in the model's folder, which holds only the network
    write_object(uri, json.dumps(asdict(card), indent=1).encode())
    return uri


def components(x: Floats, share: float = 0.9) -> int:
    """Number of principal components (centred, not standardised) that reach this share of the variance."""
    variances = np.linalg.eigvalsh(np.cov(x.astype(np.float64).T))[::-1]
    return int(np.searchsorted(np.cumsum(variances) / variances.sum(), share)) + 1


def few_shot(x: Floats, labels: Labels, asked: Labels | None = None) -> float | None:
    """Share of photos, 0 to 1, whose nearest known photo (by cosine) has the right label.

    SHOTS photos of every label are known; the others, of the labels in asked or of all, are tested. Labels without
    others are left out; None if fewer than two labels have any.
    """
    many = [label for label in np.unique(labels) if (labels == label).sum() > SHOTS]
    if len(many) < 2:
        return None
    x, asked = _unit(x), np.intersect1d(many, many if asked is None else asked)
    shares = []
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        known = np.concatenate([random.choice(np.flatnonzero(labels == v), SHOTS, replace=False) for v in many])
        questions = np.setdiff1d(np.flatnonzero(np.isin(labels, asked)), known)
        nearest = known[(x[questions] @ x[known].T).argmax(axis=1)]
        shares.append((labels[nearest] == labels[questions]).mean())
    return round(float(np.mean(shares)), 4)


def _measure(sample: DataFrame, featurizer: Featurizer, variance: float) -> tuple[Floats, Figures]:
    """The features, in the order of image_id, and the network's figures."""
    featurize(sample.limit(1), featurizer).count()  # loads the network
    started = time.monotonic()
    rows = featurize(sample, featurizer).toArrow().sort_by("image_id")
    rate = rows.num_rows / (time.monotonic() - started)
    features = to_matrix(rows["features"].combine_chunks())
    labels = rows["label"].combine_chunks().dictionary_encode().indices.to_numpy()
    five_shot = few_shot(features, labels)
    return features, Figures(featurizer.model_id, components(features, variance), five_shot, round(rate, 1))


def _nearest(x: Floats) -> npt.NDArray[np.intp]:
    """For every photo, the row of the most similar other photo."""
    similar = _unit(x) @ _unit(x).T
    np.fill_diagonal(similar, -np.inf)
    nearest: npt.NDArray[np.intp] = similar.argmax(axis=1)
    return nearest


def _unit(x: Floats) -> Floats:
    unit: Floats = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit
