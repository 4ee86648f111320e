"""One pass over a source: every file becomes a new photo, a duplicate, or a quarantined file.

    list ─▶ minus files already known ─▶ read + check + hash (Arrow, in the executors) ─▶ kept on executor disks
         ─▶ images:     accepted, one row per content, not in the lake yet
         ─▶ quarantine: rejected

inputs = stored + duplicates + quarantined, always. A file is known when its path, size and time of
change are; a photo is known when its bytes are (image_id).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ingestion.reading import CHECKED_SCHEMA, check_files
from ingestion.source import check_source, list_source

# title, rows expected or None if unknown; shows a person how far the Spark jobs started inside it are
Progress = Callable[[str, int | None], AbstractContextManager[object]]

_FILE_BYTES = 96 * 1024 * 1024  # of photos a bronze file; Parquet readers like files of about this size
_FILES_A_TASK = 1024  # what one task reads at most, whatever their size
_VERSION = ["source_path", "size", "source_modified_at"]  # which names one version of one source file


@dataclass(frozen=True)
class Counts:
    """What became of the source's files: inputs = stored + duplicates + quarantined."""

    inputs: int
    stored: int
    duplicates: int
    quarantined: int


class Ingestion:
    """One pass over one source; the pass runs once, however many tables are made of it.

    known_images and known_quarantine are the tables as they stand, None if there are none.
    """

    def __init__(
        self,
        spark: SparkSession,
        source: str,
        known_images: DataFrame | None,
        known_quarantine: DataFrame | None,
        progress: Progress,
    ) -> None:
        self._known_images = known_images
        self._now = F.lit(datetime.now(UTC))
        check_source(source)
        files = list_source(spark, source).persist()
        # What could not be read, or did not fit in memory, may now, though neither its size nor its time has changed.
        settled = (
            known_quarantine.where(F.col("reason") != "unreadable source") if known_quarantine is not None else None
        )
        pending = files
        for known in (known_images, settled):
            if known is not None:
                pending = _matching(pending, known, _VERSION, "left_anti")
        todo = pending.agg(F.count("*").alias("files"), F.coalesce(F.sum("size"), F.lit(0)).alias("bytes")).first()
        assert todo is not None  # an aggregate without groups has one row
        self._inputs = int(todo["files"]) if pending is files else files.count()
        self._known_quarantine = known_quarantine
        self._settled = _matching(files, settled, _VERSION, "left_semi").count() if settled is not None else 0
        slots = spark.sparkContext.defaultParallelism
        tasks = _tasks(todo["files"], todo["bytes"], slots)
        self._files = max(slots, math.ceil(todo["bytes"] / _FILE_BYTES))  # of Parquet, to write
        # DISK_ONLY: the photos are kept on the executors' disks between the tables made of them
        self._checked = (
            pending.repartition(tasks).mapInArrow(check_files, CHECKED_SCHEMA).persist(StorageLevel.DISK_ONLY)
        )
        self._pending = int(todo["files"])
        self._rejected = self._repeated = 0
        if self._pending:
            with progress("reading photos", self._pending):
                read = self._checked.agg(F.count("*"), F.count("image_id"), F.count_distinct("image_id")).first()
            assert read is not None  # an aggregate without groups has one row
            self._rejected, self._repeated = read[0] - read[1], read[1] - read[2]
        files.unpersist()

    def images(self) -> DataFrame | None:
        """New photos, one row per content; columns of bronze.images without the batch. None without new files."""
        if not self._pending:
            return None
        accepted = self._checked.where("reason IS NULL")
        # A first batch of distinct photos is the rule, and is written as it is.
        new = accepted if self._known_images is None and not self._repeated else self._first_of_each(accepted)
        return new.drop("reason", "detail").coalesce(self._files).withColumn("ingested_at", self._now)

    def _first_of_each(self, accepted: DataFrame) -> DataFrame:
        """The photos whose content is not in the lake yet, each once."""
        keys = accepted.select("image_id", "source_path")
        first = keys.groupBy("image_id").agg(F.min("source_path").alias("source_path"))
        if self._known_images is not None:
            first = first.join(self._known_images.select("image_id"), "image_id", "left_anti")
        # What is left out is rare, so it is what is broadcast: the photos themselves do not move.
        repeated = keys.join(first, ["image_id", "source_path"], "left_anti")
        return accepted.join(repeated, ["image_id", "source_path"], "left_anti")

    def quarantine(self) -> DataFrame | None:
        """Files rejected now for the first time; columns of bronze.quarantine without the batch. None if none were."""
        if not self._rejected:
            return None
        columns = ["source_path", "label", "reason", "detail", "size", "source_modified_at"]
        rejected = self._checked.where("reason IS NOT NULL").select(columns)
        if self._known_quarantine is not None:
            rejected = _matching(rejected, self._known_quarantine, [*_VERSION, "reason"], "left_anti")
        return rejected.coalesce(1).withColumn("quarantined_at", self._now)

    def counts(self, stored: int) -> Counts:
        """What became of the files, given the photos that were published now."""
        quarantined = self._rejected + self._settled
        return Counts(self._inputs, stored, self._inputs - stored - quarantined, quarantined)

    @property
    def new_files(self) -> int:
        """Files of the source that no earlier run has stored or rejected for good."""
        return self._pending

    @property
    def rejected(self) -> int:
        """Those of them that were rejected now."""
        return self._rejected

    def close(self) -> None:
        self._checked.unpersist()


def _matching(new: DataFrame, old: DataFrame, columns: list[str], how: str) -> DataFrame:
    """Rows of new that stand in old (left_semi), or do not (left_anti); two nulls are the same."""
    same = [F.col(f"new.{c}").eqNullSafe(F.col(f"old.{c}")) for c in columns]
    return new.alias("new").join(old.select(columns).alias("old"), same, how)


def _tasks(files: int, size: int, slots: int) -> int:
    """Evenly filled reading tasks: enough to balance and to show progress."""
    return max(1, min(files, slots * math.ceil(max(files / _FILES_A_TASK, size / _FILE_BYTES) / slots)))
