"""The state of one run: its session, its lake, its options, and the snapshots it works from.

A run works from the snapshots that were current when it began, and from its own. If another run publishes a table in
the meantime, this run can no longer publish that table, nor tables derived from it.
"""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession

from catalog.blocklist import block_lists
from catalog.branch import overtaken
from catalog.lake import Lake
from catalog.snapshots import Snapshot, new_run_id
from catalog.tables import TABLES
from expectations.suites import Suites
from ingestion.bronze import Ingestion, Progress
from ingestion.counts import Conflict, Counts
from transforms.options import RunOptions
from transforms.quantization import Calibrated, calibrated, find_quantized, quantized, store
from transforms.spark_error import failing_as
from transforms.weights import Featurizer, prepare

_READ_TWICE = 512 * 1024 * 1024  # bytes of photos; more are not read from Spark's disk once more for a sample


@dataclass(frozen=True)
class BuildResult:
    """The result of a model: the rows to publish. An erasure deletes rows instead.

    Attributes:
        rows: rows to add, or all rows of a table that is replaced; none if rows are deleted.
        corrections: image_id and new values of some columns, for existing rows.
        expected: number of rows added or corrected, if it is known in advance.
        replace: whether rows replace the table's rows or are added to them.
        more: whether there are more rows, which the model returns when called again after this publish.
        explained: image_id of each new photo, and how well the stored PCA explains it (see pca.py).
        delete: Spark SQL condition of the rows to delete.
    """

    rows: DataFrame
    corrections: DataFrame | None = None
    expected: int | None = None
    replace: bool = False
    more: bool = False
    explained: DataFrame | None = None
    delete: str = ""


@dataclass(frozen=True)
class Published:
    """One table's outcome. snapshot: None if the table is still unpublished; added: rows added by all commits."""

    table: str
    snapshot: Snapshot | None
    new: bool
    seconds: float
    added: int = 0


@dataclass
class Run:
    """One run. snapshots: by table, the snapshots that it works from, including those it publishes."""

    spark: SparkSession
    lake: Lake
    options: RunOptions
    progress: Progress
    snapshots: dict[str, Snapshot]
    exported: Featurizer | None = None  # the network in fp32, if it was prepared before the run
    erasing: bool = False  # rows are deleted on purpose, so tables may shrink
    id: str = field(default_factory=new_run_id)
    arrivals: DataFrame | None = None  # the files to ingest, as `list_source` has them; None: all of images
    outcomes: dict[str, Published] = field(default_factory=dict)
    suites: Suites = field(init=False)
    _ingestion: Ingestion | None = None
    _ahead: Future[Ingestion] | None = None
    _calibrated: Future[Calibrated | None] | None = None
    _persisted: dict[str, DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make what two threads must not make at the same time."""
        self.suites = Suites(self.lake.uri, self.id)

    def table(self, name: str) -> DataFrame | None:
        """The table as this run sees it; None if it was never published."""
        return self.spark.table(self.lake.identifier(name)) if name in self.snapshots else None

    def current(self, name: str) -> Snapshot | None:
        """The snapshot of the table that this run works from."""
        return self.snapshots.get(name)

    def check_current(self, tables: Iterable[str]) -> None:
        """Raise ConcurrentPublishError if another run has published one of the tables since this one began."""
        for table in tables:
            mine, theirs = self.current(table), self.lake.current(table)
            if (mine and mine.id) != (theirs and theirs.id):
                raise overtaken(table)

    def read(self) -> Ingestion:
        """Read the photos, once: the pass from which both bronze tables are derived. Raises RunError if that fails."""
        if self._ahead:
            return self._ahead.result()
        return self._ingestion or self._read()

    def read_ahead(self) -> None:
        """Begin to read the photos in another thread; `read` waits for it.

        A lake's first run in int8 then quantizes the network in that thread, while bronze is published.
        """
        exported, thread = self.exported, ThreadPoolExecutor(1)
        first = self.options.precision == "int8" and not self.current("bronze.images")
        quantizes = exported if exported and first and not find_quantized(exported, self.lake.uri) else None
        self._ahead = thread.submit(self._read)
        if quantizes:
            self._calibrated = thread.submit(self._calibrate, quantizes)
        thread.shutdown(wait=False)

    def _calibrate(self, exported: Featurizer) -> Calibrated | None:
        photos = self.read()
        if photos.bytes > _READ_TWICE:
            return None
        return calibrated(exported, photos.images(), photos.counts.stored)

    def _read(self) -> Ingestion:
        known = self.table("bronze.images"), self.table("bronze.quarantine")
        given = *known, self.id, self.progress, block_lists(self.lake), self.arrivals
        with failing_as("reading the photos"):
            self._ingestion = Ingestion(self.spark, self.options.source(), *given)
        return self._ingestion

    @cached_property
    def featurizer(self) -> Featurizer:
        """The network that computes the features; it is stored in the lake if necessary. Raises WeightsError."""
        options = self.options
        exported = self.exported or prepare(options.weights, options.engine, options.cache, self.lake.uri)
        if options.precision == "fp32":
            return exported
        if self._calibrated and (made := self._calibrated.result()):  # another run may have stored one in the meantime
            return find_quantized(exported, self.lake.uri) or store(made, self.lake.uri)
        images = self.current("bronze.images")
        return quantized(exported, self.lake.uri, self.table("bronze.images"), images.rows if images else 0)

    @cached_property
    def model_id(self) -> str:
        """The model of the features that gold uses: while photos are erased, none is featurized, and it stays."""
        return self.snapshots["gold.pca"].properties["model_id"] if self.erasing else self.featurizer.model_id

    def persist(self, name: str, rows: DataFrame) -> DataFrame:
        """Persist rows that are needed more than once, until others have this name or the run is closed."""
        if former := self._persisted.pop(name, None):
            former.unpersist()
        self._persisted[name] = rows.persist()
        return rows

    def close(self) -> None:
        """Release what was persisted, and write the Data Docs; a stream's batches leave those to its ordinary runs."""
        started: list[Future[Any] | None] = [self._calibrated, self._ahead]
        ahead = [future for future in started if future and not future.cancel()]
        while wait(ahead, timeout=0).not_done:  # the run has failed: queries are cancelled, quantizing is waited for
            with suppress(Py4JError, OSError):  # the JVM may have died
                self.spark.sparkContext.cancelAllJobs()
            wait(ahead, timeout=0.5)
        with ExitStack() as released:
            for rows in self._persisted.values():
                released.callback(rows.unpersist)
            if self._ingestion:
                released.callback(self._ingestion.close)
            if self.arrivals is None:
                self.suites.write_docs()

    def ingested(self) -> Counts | None:
        """Number of source files per outcome; None if no photos were read."""
        return self._ingestion.counts if self._ingestion else None

    def in_order(self) -> list[Published]:
        """The outcomes, in the order of the layers; two threads add them as they end."""
        return [self.outcomes[table] for table in TABLES if table in self.outcomes]

    def published(self) -> bool:
        """Whether the run has published any table."""
        return any(outcome.new for outcome in self.outcomes.values())

    def conflicts(self) -> list[Conflict]:
        """The first files whose photo is stored with another label."""
        return self._ingestion.conflicts() if self._ingestion else []
