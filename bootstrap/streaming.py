"""Ingest photos as they arrive: Spark Structured Streaming finds new files, and each batch is processed like a run.

source ──arrivals.py──▶ batch ──▶ bronze ─▶ silver ─▶ gold.fruit_vectors        within seconds
                          └─ every --marts-every ──▶ an ordinary run     PCA if there is none, marts, report

After a crash, Spark repeats the last batch. Photos that are stored already are skipped, so this changes nothing. What
is built waits while another process erases or vacuums, and begins again if another run has published in the meantime.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery
from rich.console import Console

from bootstrap.arrivals import Arrival, Listing, look_at
from bootstrap.events import Queue
from bootstrap.pipeline import open_run, source_of
from bootstrap.reporting import report_run
from bootstrap.session import prepare_stream, start, starting
from bootstrap.settings import Settings
from bootstrap.standing import find_standing
from bootstrap.summary import print_conflicts, print_warnings
from catalog.compaction import COMPACTED, compact
from catalog.erasures import pending
from catalog.errors import (
    BusyError,
    ConcurrentPublishError,
    ErasedMeanwhileError,
    RunError,
    SettingsError,
    SourceError,
)
from catalog.storage import delete_folder, exists
from catalog.tables import PCA
from expectations.suites import load
from ingestion.source import check_source, to_arrow
from transforms.dbt import build_models
from transforms.run import Run
from transforms.spark_error import reason_of
from transforms.weights import prepare

_MERGE_EVERY = 20  # batches
_LIVE = ("quarantine", "images", "image_features", "fruit_vectors")  # the models that a batch builds
_POLL = 0.2  # seconds between checks of the query
_RETRY = 1.0  # seconds between attempts while another process holds the lake
T = TypeVar("T")


class StoppedError(Exception):
    """Raised to end a stream before its next batch."""


@dataclass(frozen=True)
class Pace:
    """The timing of a stream, in seconds."""

    trigger: float | None  # between listings of the source; None to process the files that are there, and end
    photos_per_batch: int  # maximum number of files
    settle: float  # since the last write, before a file is read
    marts_every: float  # between ordinary runs


class Stream:
    """A stream of photos into a lake. To end it, set `stop`: the current batch is finished, and no other is started.

    metrics: file to append the figures of each batch to, as lines of JSON. events: URL of an SQS queue with S3's
    events, to read instead of listing the bucket.
    """

    def __init__(
        self, settings: Settings, pace: Pace, console: Console, metrics: Path | None = None, events: str | None = None
    ) -> None:
        self.stop = threading.Event()
        self._settings, self._pace, self._console, self._metrics = settings, pace, console, metrics
        if settings.refit:
            raise SettingsError(
                "a stream would refit the PCA in every ordinary run: unset FRUITLAKE_REFIT, and refit with "
                "`fruitlake run gold --refit`"
            )
        self._source = source_of(settings, may_be_empty=events is not None)
        self._lake = settings.open_lake()
        self._lake.check_writable()
        self._say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        self._finder: Queue | Listing = (
            Queue(events, self._source.root, pace.photos_per_batch, settings.regions, self._say)
            if events
            else Listing(self._source.root, pace.photos_per_batch)
        )
        name = hashlib.sha256(self._finder.name.encode()).hexdigest()[:12]  # each source has its own
        self._checkpoint = f"{self._lake.checkpoints}/{name}"
        self._busy = threading.Lock()  # Spark calls `_take` in another thread
        self._failure: Exception | None = None
        self._stale = True  # whether the marts may lack photos; a previous stream may have left some
        self._refresh_at = time.monotonic() + pace.marts_every
        with console.status("preparing MobileNetV2"):
            self._exported = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
        load()  # Great Expectations, before other threads import
        logging.getLogger("py4j.clientserver").setLevel(logging.CRITICAL)  # it logs pages; `run` raises the error
        with console.status(starting(settings)):
            self._spark = start(settings, self._lake)
        prepare_stream(self._spark, self._source.root, self._checkpoint)

    def run(self) -> None:
        """Process batches until `stop` is set or, without a trigger, no file is left. Raises a batch's error."""
        try:
            while True:
                if self._forgotten():  # Spark cannot continue from what was written after an erasure
                    delete_folder(self._checkpoint)
                if self._follow():
                    break
                self._console.print("photos were erased: the stream starts over")
            if not self.stop.is_set():
                self._refresh()
        except StoppedError:  # while waiting for another process
            return

    def _follow(self) -> bool:
        """Run one streaming query until it ends. Returns False if an erasure removed its checkpoint."""
        self._failure = None
        query = self._query()
        try:
            while query.isActive and not self.stop.wait(_POLL):
                if self._stale and time.monotonic() >= self._refresh_at:
                    with self._busy:
                        self._refresh()
        except BaseException:
            self.stop.set()
            raise
        finally:
            if self.stop.is_set() and self._busy.locked():
                self._say("finishing the current batch")
            with self._busy:  # wait for the current batch; if `stop` is set, the next one raises
                pass
            query.stop()
        if self.stop.is_set():
            return True
        if self._forgotten():
            return False
        if self._failure:
            raise self._failure
        if error := query.exception():
            raise RunError(f"the stream ended: {reason_of(error)}") from error
        return True

    def _query(self) -> StreamingQuery:
        writer = self._finder.read(self._spark).writeStream.foreachBatch(self._take)
        writer = writer.option("checkpointLocation", self._checkpoint)
        if self._pace.trigger is None:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{round(self._pace.trigger * 1000)} milliseconds").start()

    def _take(self, frame: DataFrame, number: int) -> None:
        """Process a batch; called by Spark, in order. If it raises, the query ends; the next one repeats the batch."""
        with self._busy:
            try:
                if self.stop.is_set():
                    raise StoppedError
                started = time.monotonic()
                batch = frame.collect()
                arrivals = look_at(self._source, self._finder.paths(batch), self._pace.settle)
                if any(arrival.file.ignored is None for arrival in arrivals):
                    run = self._patiently(lambda: self._build(arrivals))
                    self._stale |= run.published()
                    self._tell(run, arrivals, number, time.monotonic() - started)
                self._finder.taken(batch)
                if number % _MERGE_EVERY == _MERGE_EVERY - 1:
                    self._patiently(self._merge_files)
            except Exception as error:
                self._failure = error
                raise

    def _forgotten(self) -> bool:
        """Whether an erasure has removed the checkpoint, because it contains file names."""
        return not exists(f"{self._checkpoint}/metadata")

    def _refresh(self) -> None:
        """Do an ordinary run, for the marts, the report, and files that have changed since their batch."""
        if run := self._patiently(self._ordinary_run):
            print_warnings(run, self._console)
            report_run(run, self._console)
        self._stale = False
        self._refresh_at = time.monotonic() + self._pace.marts_every

    def _ordinary_run(self) -> Run | None:
        """Build all tables from the whole source; None if they are up to date, or there are none."""
        if not (self._lake.has_catalog() and self._lake.tables()) or find_standing(self._settings, "all"):
            return None
        return self._build()

    def _build(self, arrivals: list[Arrival] | None = None) -> Run:
        """Build the live tables from the arrivals; without any, or a PCA of the network, all from the whole source."""
        with open_run(self._settings, Console(quiet=True), self._exported) as run:
            if arrivals and self._forgotten():
                raise RunError("photos were erased, and the stream's checkpoint with them")
            pca = run.current(PCA.name)
            if arrivals and pca and pca.properties.get("model_id") == run.model_id:
                listed = pa.Table.from_batches([to_arrow([arrival.file for arrival in arrivals])])
                run.ingest_only(run.spark.createDataFrame(listed))
                build_models(run, *_LIVE)
            else:
                build_models(run, *self._selected())
        return run

    def _selected(self) -> tuple[str, ...]:
        """What an ordinary run builds: everything, or all but bronze if the photos have been moved away."""
        try:
            check_source(source_of(self._settings))
        except SourceError:
            return ("tag:silver", "tag:gold")
        return ()

    def _merge_files(self) -> None:
        """Merge the small files that batches add; otherwise, each batch would take longer than the one before it."""
        with self._lake.in_use() as alone:
            if (self._lake.locks and not alone) or pending(self._lake):  # it would make a run or an erasure fail
                return
            try:
                for table in COMPACTED:
                    compact(self._spark, self._lake, table)
            except (PySparkException, Py4JJavaError) as error:  # nothing is lost, and the next batches try again
                self._say(f"warning: small files were not merged: {reason_of(error)}")

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do the work; while another process holds the lake, wait. Raises StoppedError if `stop` is set meanwhile."""
        told = ""
        while True:
            try:
                return work()
            except (BusyError, ConcurrentPublishError, ErasedMeanwhileError) as error:
                if told != (told := type(error).__name__):
                    self._say(f"waiting: {error}")
                if self.stop.wait(_RETRY):
                    raise StoppedError from error

    def _tell(self, run: Run, arrivals: list[Arrival], number: int, seconds: float) -> None:
        """Print the batch's figures, and append them to the file of metrics."""
        counts = run.ingested()
        if counts is None:  # the photos were moved away before the first ordinary run
            return
        behind, rate = median(time.time() - arrival.since for arrival in arrivals), counts.found / seconds
        self._say(
            f"batch {number}: {counts.found:,} photos, {counts.stored:,} stored, {counts.quarantined:,} quarantined; "
            f"{behind:.1f} s behind, {rate:.1f} photos/s"
        )
        print_conflicts(run, self._console)
        if self._metrics:
            figures = {
                "batch": number,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "files": counts.found,
                "stored": counts.stored,
                "quarantined": counts.quarantined,
                "ignored": counts.ignored,
                "seconds": round(seconds, 2),
                "seconds_behind": round(behind, 2),
                "photos_per_second": round(rate, 1),
            }
            with self._metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")
