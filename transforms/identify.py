"""Identify the fruit on a single photo with a lake's gold layer, without Spark.

    bytes ──admission──▶ what bronze would store ──network──▶ features ──stored PCA──▶ vector ──neighbours──▶ label

Every step is the same as in the lake, so a photo that is in the lake finds itself at distance 0.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.stored_pca import StoredPca, pca_of
from ingestion.admission import admit
from transforms.neighbours import Neighbour, Neighbours, load_neighbours
from transforms.network import Network, load_network, to_pixels
from transforms.weights import of_lake

_VECTORS = "gold.fruit_vectors"
_VOTES = 5  # number of nearest photos that vote


@dataclass(frozen=True)
class Basis:
    """The basis of a result; snapshot: the id of gold.fruit_vectors' snapshot."""

    model_id: str
    pca_id: str
    snapshot: int

    def __str__(self) -> str:
        """Describe the basis in one line."""
        return f"model {self.model_id}, PCA {self.pca_id}, snapshot {self.snapshot} of {_VECTORS}"


@dataclass(frozen=True)
class Identification:
    """The fruit on a photo.

    Attributes:
        label: the variety of the nearest photos.
        confidence: its share of their votes, 0 to 1; nearer photos have more weight.
        unlike: the nearest photo is farther than `limit`: the lake has nothing like it, and label is a guess.
        limit: the distance within which most photos of the nearest photo's label have another photo of that label;
            None if no label has two photos.
        nearest: photos of the lake, nearest first.
        basis: the model, PCA and snapshot used.
    """

    label: str
    confidence: float
    unlike: bool
    limit: float | None
    nearest: list[Neighbour]
    basis: Basis


@dataclass(frozen=True)
class Identifier:
    """Identifies photos with one snapshot of gold. Thread-safe."""

    network: Network
    pca: StoredPca
    neighbours: Neighbours
    basis: Basis

    def identify(self, photo: bytes, count: int = 10) -> Identification:
        """Identify a photo. Raises Rejected for a file that the lake would reject."""
        content, _ = admit(photo)
        [vector] = self.pca.project(self.network.run(to_pixels(content)[np.newaxis]))
        nearest = self.neighbours.nearest(vector, max(count, _VOTES))
        label, confidence = _vote(nearest[:_VOTES])
        limit = self.neighbours.limits[nearest[0].label]
        unlike = limit is not None and nearest[0].distance > limit
        return Identification(label, confidence, unlike, limit, nearest[:count], self.basis)


def _vote(nearest: list[Neighbour]) -> tuple[str, float]:
    votes: defaultdict[str, float] = defaultdict(float)
    for photo in nearest:
        votes[photo.label] += 1 / (photo.distance + 1e-6)
    label = max(votes, key=lambda label: votes[label])
    return label, votes[label] / sum(votes.values())


def open_identifier(lake: Lake) -> Identifier:
    """Open an identifier on gold's current snapshot.

    Raises CatalogError if there is no gold, QueryError if it is too large, WeightsError if its model is missing.
    """
    lake.check_published()
    snapshot = lake.current(_VECTORS)
    if snapshot is None or not snapshot.rows:
        raise CatalogError(f"'{lake.uri}' has no vectors yet: build them with `fruitlake run gold`")
    pca = pca_of(lake, snapshot)
    featurizer = of_lake(lake.uri, pca.model_id)
    basis = Basis(pca.model_id, pca.pca_id, snapshot.id)
    return Identifier(load_network(featurizer), pca, load_neighbours(lake, snapshot), basis)
