"""Hold one snapshot of gold in memory for the server, and replace it without interrupting requests.

gold.fruit_vectors, label_summary, label_similarity ──▶ Gold ──one assignment──▶ CurrentGold.gold
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow.dataset as ds

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.scan import dataset
from transforms.identify import Identifier, open_identifier

_TABLES = ("gold.fruit_vectors", "gold.label_summary", "gold.label_similarity")
_LOOKALIKES = 5  # per variety


@dataclass(frozen=True)
class Lookalike:
    """Another variety, and the cosine between the two centroids, -1 to 1."""

    label: str
    cosine: float


@dataclass(frozen=True)
class Variety:
    """Facts about a variety in the lake. spread: root mean square distance of its photos from their centroid."""

    label: str
    photos: int
    spread: float
    lookalikes: list[Lookalike]


@dataclass(frozen=True)
class Gold:
    """One snapshot of gold. versions: the ids of its tables' snapshots."""

    identifier: Identifier
    varieties: dict[str, Variety]
    versions: tuple[int | None, ...]
    loaded_at: datetime


class CurrentGold:
    """The snapshot in use. problem: why the last refresh failed, None if it succeeded."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.problem: str | None = None
        self.gold: Gold | None = self._load(self._versions())

    def refresh(self) -> None:
        """Load the lake's current snapshot if it is a new one. Blocks meanwhile; other threads use the old snapshot."""
        versions = self._versions()
        if versions[0] is None:  # all photos have been erased
            self.gold = None
        elif self.gold is None or versions != self.gold.versions:
            self.gold = self._load(versions)
        self.problem = None

    def _versions(self) -> tuple[int | None, ...]:
        return tuple(found.id if (found := self._lake.current(table)) else None for table in _TABLES)

    def _load(self, versions: tuple[int | None, ...]) -> Gold:
        return Gold(open_identifier(self._lake), _varieties(self._lake), versions, datetime.now(UTC))


def _varieties(lake: Lake) -> dict[str, Variety]:
    if any(lake.current(table) is None for table in _TABLES):
        raise CatalogError(f"'{lake.uri}' has no marts yet: build them with `fruitlake run gold`")
    similar = dataset(lake, "gold.label_similarity").to_table(
        ["label", "other_label", "cosine"], filter=ds.field("rank") <= _LOOKALIKES
    )
    alike: defaultdict[str, list[Lookalike]] = defaultdict(list)
    for pair in similar.sort_by([("cosine", "descending")]).to_pylist():
        alike[pair["label"]].append(Lookalike(pair["other_label"], pair["cosine"]))
    summary = dataset(lake, "gold.label_summary").to_table(["label", "photos", "spread"]).to_pylist()
    return {row["label"]: Variety(**row, lookalikes=alike[row["label"]]) for row in summary}
