"""What one run knows. dbt calls our models without arguments of ours, so the run is held here for them.

A run works from the snapshots that were current when it began, and from its own. What other runs publish meanwhile it
neither reads nor builds upon: its own publish is then refused, and nothing is done twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession

from catalog.errors import FruitlakeError, RunError, SettingsError
from catalog.protocol import Catalog
from catalog.snapshot import Snapshot, new_id
from expectations.facts import MAX_QUARANTINE_SHARE
from expectations.suites import Suites
from ingestion.bronze import Counts, Ingestion, Progress
from transforms.weights import Featurizer, prepare


@dataclass(frozen=True)
class Published:
    """One table's outcome. snapshot is None for a table that has none and got none."""

    table: str
    snapshot: Snapshot | None
    new: bool
    seconds: float


@dataclass
class Run:
    spark: SparkSession
    catalog: Catalog
    images: str | None
    weights: str
    variance: float
    refit: bool
    engine: str
    cache: Path
    progress: Progress
    snapshots: dict[str, Snapshot]  # by table: what is attached to the session
    max_quarantine_share: float = MAX_QUARANTINE_SHARE
    purpose: str | None = None
    legal_basis: str | None = None
    fitted: PipelineModel | None = None  # this run's own PCA, if it fitted one
    explained: float | None = None  # of the variance of photos added since the PCA was fitted, 0 to 1
    erasing: bool = False  # rows are taken out on purpose: fewer than before is no sign of a fault
    id: str = field(default_factory=new_id)
    outcomes: dict[str, Published] = field(default_factory=dict)
    failure: FruitlakeError | None = None
    _expected: int | None = None

    def table(self, name: str) -> DataFrame | None:
        """The table as this run sees it, None if there is none."""
        return self.spark.table(name) if name in self.snapshots else None

    def current(self, name: str) -> Snapshot | None:
        """The snapshot of the table that this run sees."""
        return self.snapshots.get(name)

    def is_overtaken(self) -> bool:
        """Has another run published a table since this one began?"""
        pairs = ((self.catalog.current(name), self.current(name)) for name in self.catalog.tables())
        return any(theirs and (mine is None or mine.id != theirs.id) for theirs, mine in pairs)

    @cached_property
    def ingestion(self) -> Ingestion:
        """The one pass over the photos that both bronze tables are made of."""
        if self.images is None:
            raise SettingsError("bronze needs photos: give --images FOLDER (or FRUITLAKE_IMAGES)")
        known = self.table("bronze.images"), self.table("bronze.quarantine")
        return Ingestion(self.spark, self.images, *known, self.progress)

    @cached_property
    def featurizer(self) -> Featurizer:
        return prepare(self.weights, self.engine, self.cache, self.catalog.lake)

    @cached_property
    def suites(self) -> Suites:
        return Suites(self.spark, self.catalog.lake)

    def expect(self, rows: int) -> None:
        """How many rows the model that is being built will give, for its progress."""
        self._expected = rows

    def take_expected(self) -> int | None:
        expected, self._expected = self._expected, None
        return expected

    def close(self) -> None:
        """Free the photos kept between the tables made of them, and write what the audits have to show."""
        if "ingestion" in self.__dict__:
            self.ingestion.close()
        if "suites" in self.__dict__:
            self.suites.write_docs()

    def ingested(self) -> Counts | None:
        """What became of the source's files, None if no photos were read."""
        if "ingestion" not in self.__dict__:
            return None
        images = self.outcomes.get("bronze.images")
        added = images.snapshot.parameters["rows_added"] if images and images.new and images.snapshot else 0
        return self.ingestion.counts(stored=int(added))


_active: Run | None = None


def activate(run: Run | None) -> None:
    global _active
    _active = run


def active() -> Run:
    if _active is None:
        raise RunError("models run inside `fruitlake run` or `fruitlake dbt -- …`, which bring session and catalog")
    return _active
