"""Build what a stream asks for: the live tables from a batch's files, or all tables in an ordinary run.

Both wait while another process erases or vacuums, and begin again if another run has published in the meantime.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.arrivals import Arrival
from bootstrap.pipeline import check_photos, open_run
from bootstrap.settings import Settings
from bootstrap.standing import find_standing
from catalog.compaction import COMPACTED, compact
from catalog.errors import BusyError, ConcurrentPublishError, ErasedMeanwhileError, RunError, SourceError
from catalog.lake import Lake
from catalog.tables import PCA
from ingestion.source import to_arrow
from transforms.dbt import build_models
from transforms.run import Run
from transforms.weights import Featurizer

_LIVE = ("quarantine", "images", "image_features", "fruit_vectors")  # the models that a batch builds
_QUIET = Console(quiet=True)
_RETRY = 1.0  # seconds between attempts while another process holds the lake
T = TypeVar("T")


class StoppedError(Exception):
    """Raised to end a stream before its next batch."""


class StreamBuilder:
    """Builds a stream's tables.

    Args:
        settings: where the photos and the lake are.
        lake: the lake, opened.
        spark: the running session.
        exported: the network in fp32.
        stop: set to end the waiting; StoppedError is raised then.
        say: prints a line when waiting begins.
    """

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        spark: SparkSession,
        exported: Featurizer,
        stop: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._lake, self._spark, self._exported = settings, lake, spark, exported
        self._stop, self._say = stop, say

    def batch(self, arrivals: list[Arrival], forgotten: Callable[[], bool]) -> Run:
        """Build the live tables from the arrivals; without a PCA of the network, all tables from the whole source.

        Raises RunError if the batch is `forgotten`: an erasure has removed the checkpoint that it came from.
        """
        return self._patiently(lambda: self._build(arrivals, forgotten))

    def ordinary_run(self) -> Run | None:
        """Build all tables from the whole source; None if they are up to date, or there are none."""
        if not (self._lake.has_catalog() and self._lake.tables()):
            return None
        return self._patiently(lambda: None if find_standing(self._settings, "all") else self._build())

    def merge_files(self) -> None:
        """Merge the small files that batches add; otherwise, each batch would take longer than the one before it."""
        self._patiently(self._compact)

    def _build(self, arrivals: list[Arrival] | None = None, forgotten: Callable[[], bool] = lambda: False) -> Run:
        with open_run(self._settings, _QUIET, self._exported) as run:
            if forgotten():
                raise RunError("photos were erased, and the stream's checkpoint with them")
            pca = run.current(PCA.name)
            if arrivals and pca and pca.properties.get("model_id") == run.model_id:
                listed = pa.Table.from_batches([to_arrow([arrival.file for arrival in arrivals])])
                run.ingest_only(run.spark.createDataFrame(listed))
                build_models(run, *_LIVE)
            else:
                build_models(run, *self._layers())
        return run

    def _layers(self) -> tuple[str, ...]:
        """The selection of an ordinary run: everything, or all but bronze if the photos have been moved away."""
        try:
            check_photos(self._settings)
        except SourceError:
            return ("tag:silver", "tag:gold")
        return ()

    def _compact(self) -> None:
        with self._lake.in_use() as alone:
            if alone or not self._lake.locks:  # otherwise a run that is in progress would be refused
                for table in COMPACTED:
                    compact(self._spark, self._lake, table)

    def _patiently(self, work: Callable[[], T]) -> T:
        told = ""
        while True:
            try:
                return work()
            except (BusyError, ConcurrentPublishError, ErasedMeanwhileError) as error:
                if told != (told := type(error).__name__):
                    self._say(f"waiting: {error}")
                if self._stop.wait(_RETRY):
                    raise StoppedError from error
