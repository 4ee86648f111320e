"""Ingest photos as they arrive: Spark Structured Streaming finds new files, and each batch is processed like a run.

source ──arrivals.py──▶ batch ──stream_builder.py──▶ bronze ─▶ silver ─▶ gold.fruit_vectors     within seconds
                          └─ every --marts-every ──▶ an ordinary run         PCA if there is none, marts, report

After a crash, Spark repeats the last batch. Photos that are stored already are skipped, so this changes nothing.
"""

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery
from rich.console import Console

from bootstrap.arrivals import Arrival, Listing, look_at
from bootstrap.events import Queue
from bootstrap.reporting import report_run
from bootstrap.session import prepare_stream, start, starting
from bootstrap.settings import Settings
from bootstrap.source import source_of
from bootstrap.stream_builder import StoppedError, StreamBuilder
from bootstrap.summary import print_conflicts, print_warnings
from catalog.errors import RunError, SettingsError
from catalog.storage import delete_folder, exists
from expectations import suites, validation
from transforms.run import Run
from transforms.spark_error import reason_of
from transforms.weights import prepare

_MERGE_EVERY = 20  # batches
_POLL = 0.2  # seconds between checks of the query


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
            exported = prepare(settings.weights, settings.engine, settings.cache, settings.lake)
        suites.load()  # before there are other threads
        validation.load()
        logging.getLogger("py4j.clientserver").setLevel(logging.CRITICAL)  # it logs pages; `run` raises the error
        with console.status(starting(settings)):
            self._spark = start(settings, self._lake)
        self._builder = StreamBuilder(settings, self._lake, self._spark, exported, self.stop, self._say)
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
                    run = self._builder.batch(arrivals, self._forgotten)
                    self._stale |= run.published()
                    self._tell(run, arrivals, number, time.monotonic() - started)
                self._finder.taken(batch)
                if number % _MERGE_EVERY == _MERGE_EVERY - 1:
                    self._builder.merge_files()
            except Exception as error:
                self._failure = error
                raise

    def _forgotten(self) -> bool:
        """Whether an erasure has removed the checkpoint, because it contains file names."""
        return not exists(f"{self._checkpoint}/metadata")

    def _refresh(self) -> None:
        """Do an ordinary run, for the marts, the report, and files that have changed since their batch."""
        if run := self._builder.ordinary_run():
            print_warnings(run, self._console)
            report_run(run, self._console)
        self._stale = False
        self._refresh_at = time.monotonic() + self._pace.marts_every

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
