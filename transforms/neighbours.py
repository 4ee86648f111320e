"""Exact nearest-neighbour search in gold's vectors, in memory, and typical distances within each label.

gold.fruit_vectors ──▶ (n, k) float32 ─┬─matrix product──▶ the nearest photos, exactly
                                       └─leave one out───▶ per label: distances of its photos to their nearest one
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError
from catalog.lake import Lake
from catalog.scan import dataset
from catalog.snapshots import Snapshot
from transforms.arrow import to_matrix

MAX_VECTORS = 500_000  # 300 MB with 152 components; more would need an index
KNOWN_SHARE = 0.98  # share of a label's own photos that are within its limit
_FEWEST = 20  # photos a label needs to have its own limit; others use the lake's
_SAMPLED = 2_000  # photos per label to compute its limit from; the cost grows with this times the label's size
_ROWS = 1024  # per matrix product

Vectors = npt.NDArray[np.float32]  # (n, k)


@dataclass(frozen=True)
class Neighbour:
    """A photo in the lake, and its Euclidean distance in gold's components."""

    image_id: str
    label: str
    distance: float


class Neighbours:
    """Searchable photos: vectors (n, k), ids (n,) and labels (n,)."""

    def __init__(self, vectors: Vectors, image_ids: pa.Array, labels: pa.Array) -> None:
        self._vectors = vectors
        self._squares = np.einsum("ij,ij->i", vectors, vectors)
        self._image_ids = image_ids
        coded = labels.dictionary_encode()
        self.labels: list[str] = coded.dictionary.to_pylist()
        self._codes = coded.indices.to_numpy()
        self.limits = dict(zip(self.labels, self._limits(), strict=True))

    def nearest(self, vector: Vectors, count: int) -> list[Neighbour]:
        """The photos nearest to a vector (k,), nearest first."""
        squares = self._squares - 2 * (self._vectors @ vector)
        candidates = min(4 * count, len(squares))
        rows = np.argpartition(squares, candidates - 1)[:candidates]
        distances = np.linalg.norm(self._vectors[rows].astype(np.float64) - vector, axis=1)  # above, float32 cancels
        return [
            Neighbour(self._image_ids[int(rows[i])].as_py(), self.labels[self._codes[rows[i]]], float(distances[i]))
            for i in np.argsort(distances)[:count]
        ]

    def _limits(self) -> list[float | None]:
        """By label, the distance within which KNOWN_SHARE of its photos have another one; None if no label has two."""
        order = np.argsort(self._codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(self._codes, minlength=len(self.labels)))[:-1])
        apart = [self._apart(rows) for rows in parts]
        everybodys = _limit(np.concatenate(apart))
        return [_limit(own) if len(own) >= _FEWEST else everybodys for own in apart]

    def _apart(self, rows: npt.NDArray[np.intp]) -> Vectors:
        """Distances from photos of one label to the nearest other one; only a sample if the label is very large."""
        if len(rows) < 2:
            return np.empty(0, np.float32)
        label, squares = self._vectors[rows], self._squares[rows]
        step = -(-len(rows) // _SAMPLED)
        found = []
        for start in range(0, len(rows), step * _ROWS):
            chosen = np.arange(start, min(start + step * _ROWS, len(rows)), step)
            distances = squares[chosen, None] + squares - 2 * (label[chosen] @ label.T)
            distances[np.arange(len(chosen)), chosen] = np.inf  # a photo is not its own neighbour
            found.append(np.sqrt(np.clip(distances.min(axis=1), 0, None)))
        return np.concatenate(found)


def _limit(apart: Vectors) -> float | None:
    return float(np.quantile(apart, KNOWN_SHARE)) if len(apart) else None


def load_neighbours(lake: Lake, snapshot: Snapshot) -> Neighbours:
    """Load the vectors of a snapshot of gold.fruit_vectors. Raises QueryError if they are too many for memory."""
    if snapshot.rows > MAX_VECTORS:
        raise QueryError(
            f"{snapshot.table} has {snapshot.rows:,} vectors, and at most {MAX_VECTORS:,} are searched in memory: "
            "ask a lake of fewer photos, or `fruitlake query nearest`"
        )
    found = dataset(lake, snapshot.table, snapshot.id).to_table(["image_id", "label", "vector"]).combine_chunks()
    vectors, image_ids, labels = (found[name].combine_chunks() for name in ("vector", "image_id", "label"))
    return Neighbours(to_matrix(vectors), image_ids, labels)
