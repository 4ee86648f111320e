"""Show the progress of a long Spark job: photos done, photos/s, time left.

Spark's status store ──polled by a thread──▶ a progress bar on a terminal, otherwise a line every 15 seconds
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_POLL = 0.5  # seconds
_LINE_EVERY = 15.0  # seconds, where there is no terminal to redraw


class SparkProgress:
    """Shows the progress of Spark actions: `with progress("reading photos", 7080): df.count()`.

    Threads may use it at the same time; each action has its own bar.
    """

    def __init__(self, spark: SparkSession, console: Console) -> None:
        self._spark, self._console, self._lock = spark, console, threading.Lock()
        self._bars: Progress | None = None  # while there are any

    @contextmanager
    def __call__(self, title: str, total: int | None) -> Iterator[None]:
        """Show the progress of the Spark job in the `with` block; total is in photos, None if unknown."""
        stop = threading.Event()
        with self._bar(title, total) as (bars, bar):
            watcher = threading.Thread(target=self._watch, args=(stop, bars, bar, title, total), daemon=True)
            if total:
                watcher.start()
            try:
                yield
            finally:
                stop.set()
                if total:
                    watcher.join()

    @contextmanager
    def _bar(self, title: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
        with self._lock:
            if self._bars is None:
                columns = (
                    SpinnerColumn(),
                    TextColumn("{task.description}"),
                    BarColumn(24),
                    _Rate(),
                    TimeRemainingColumn(),
                )
                terminal = self._console.is_terminal
                self._bars = Progress(*columns, console=self._console, transient=True, disable=not terminal)
                self._bars.start()
            bars = self._bars
            bar = bars.add_task(title, total=total)
        try:
            yield bars, bar
        finally:
            with self._lock:
                bars.remove_task(bar)
                if not bars.tasks:
                    bars.stop()
                    self._bars = None

    def _watch(self, stop: threading.Event, bars: Progress, bar: TaskID, title: str, total: int) -> None:
        started = said = time.monotonic()
        done = 0
        while not stop.wait(_POLL):
            done = min(total, max(done, self._rows_read()))
            bars.update(bar, completed=done)
            now = time.monotonic()
            if not self._console.is_terminal and done and now - said >= _LINE_EVERY:
                said, rate = now, done / (now - started)
                left = f"{(total - done) / rate:.0f} s left"
                self._console.print(f"{title}: {done:,} of {total:,} photos, {rate:.0f} photos/s, {left}")

    def _rows_read(self) -> int:
        """Rows read by the running stage that has read the most; Spark counts them while tasks run."""
        context = self._spark.sparkContext._jsc
        if context is None:  # the session has ended in the meantime
            return 0
        try:
            stages = context.sc().statusStore().activeStages()
            return max((int(stages.apply(i).shuffleReadRecords()) for i in range(stages.size())), default=0)
        except (Py4JError, OSError):  # the JVM has died: whoever waits for the job says so
            return 0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        if not task.total:
            return Text("")
        rate = f"{task.speed:.0f} photos/s" if task.speed else "…"
        return Text(f"{int(task.completed):,}/{int(task.total):,}  {rate}")
