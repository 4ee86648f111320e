"""Build what a stream asks for: the live tables from a batch's files, or all tables in an ordinary run.

Both wait while another process erases or vacuums, and begin again if another run has published in the meantime.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.arrivals import Arrival
from bootstrap.pipeline import open_run
from bootstrap.settings import Settings
from bootstrap.source import source_of
from bootstrap.standing import find_standing
from catalog.compaction import COMPACTED, compact
from catalog.erasures import pending
from catalog.errors import BusyError, ConcurrentPublishError, ErasedMeanwhileError, RunError, SourceError
from catalog.lake import Lake
from catalog.tables import PCA
from ingestion.source import check_source, to_arrow
from transforms.dbt import build_models
from transforms.run import Run
from transforms.spark_error import reason_of
from transforms.weights import Featurizer

_LIVE = ("quarantine", "images", "image_features", "fruit_vectors")  # the models that a batch builds
_QUIET = Console(quiet=True)
_RETRY = 1.0  # seconds between attempts while another process holds the lake
T = TypeVar("T")


class StoppedError(Exception):
    """Raised to end a stream before its next batch."""


@dataclass(frozen=True)
class StreamBuilder:
    """Builds a stream's tables."""

    settings: Settings
    lake: Lake
    spark: SparkSession
    exported: Featurizer  # the network in fp32
    stop: threading.Event  # ends the waiting; StoppedError is raised then
    say: Callable[[str], None]  # prints a line when waiting begins

    def batch(self, arrivals: list[Arrival], forgotten: Callable[[], bool]) -> Run:
        """Build the live tables from the arrivals; without a PCA of the network, all tables from the whole source.

        Raises RunError if the batch is `forgotten`: an erasure has removed the checkpoint that it came from.
        """
        return self._patiently(lambda: self._build(arrivals, forgotten))

    def ordinary_run(self) -> Run | None:
        """Build all tables from the whole source; None if they are up to date, or there are none."""
        if not (self.lake.has_catalog() and self.lake.tables()):
            return None
        return self._patiently(lambda: None if find_standing(self.settings, "all") else self._build())

    def merge_files(self) -> None:
        """Merge the small files that batches add; otherwise, each batch would take longer than the one before it."""
        try:
            self._patiently(self._compact)
        except (PySparkException, Py4JJavaError) as error:  # nothing is lost, and the next batches try again
            self.say(f"warning: small files were not merged: {reason_of(error)}")

    def _build(self, arrivals: list[Arrival] | None = None, forgotten: Callable[[], bool] = lambda: False) -> Run:
        with open_run(self.settings, _QUIET, self.exported) as run:
            if forgotten():
                raise RunError("photos were erased, and the stream's checkpoint with them")
            pca = run.current(PCA.name)
            if arrivals and pca and pca.properties.get("model_id") == run.model_id:
                listed = pa.Table.from_batches([to_arrow([arrival.file for arrival in arrivals])])
                run.arrivals = run.spark.createDataFrame(listed)
                build_models(run, *_LIVE)
            else:
                build_models(run, *self._selected())
        return run

    def _selected(self) -> tuple[str, ...]:
        """What an ordinary run builds: everything, or all but bronze if the photos have been moved away."""
        try:
            check_source(source_of(self.settings))
        except SourceError:
            return ("tag:silver", "tag:gold")
        return ()

    def _compact(self) -> None:
        with self.lake.in_use() as alone:
            if (alone or not self.lake.locks) and not pending(self.lake):  # else a run or an erasure would be refused
                for table in COMPACTED:
                    compact(self.spark, self.lake, table)

    def _patiently(self, work: Callable[[], T]) -> T:
        told = ""
        while True:
            try:
                return work()
            except (BusyError, ConcurrentPublishError, ErasedMeanwhileError) as error:
                if told != (told := type(error).__name__):
                    self.say(f"waiting: {error}")
                if self.stop.wait(_RETRY):
                    raise StoppedError from error
