"""Ingest a source in one pass: decide for every file whether it is new, known, moved, in conflict, or quarantined.

    list ─▶ minus ignored and known files ─▶ read + check + hash (in the executors, kept on their disks)
         ─▶ place: which label each photo gets ─▶ images       new photos, one row per content
                                               ─▶ corrections  known photos whose file has moved
                                               ─▶ conflicts    files whose photo is stored with another label
         ─▶ quarantine: rejected

Always, found = stored + known + relabelled + quarantined + conflicts + blocked. A file is known by its path, size and
modification time; a photo is known by its bytes (image_id).
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from catalog.blocklist import BlockList
from catalog.errors import AuditError
from ingestion.counts import UNSETTLED, VERSION, Conflict, Counts
from ingestion.placement import any_known, count_read, place
from ingestion.reading import BLOCKED, CHECKED_SCHEMA, check_files
from ingestion.source import list_source
from ingestion.walk import Source

# Arguments: title; expected rows, None if unknown. Shows the progress of the Spark jobs started inside the context.
Progress = Callable[[str, int | None], AbstractContextManager[object]]

_BYTES_PER_FILE = 96 * 1024 * 1024  # photos per Parquet file, a good size for readers
_FILES_PER_TASK = 2048  # most source files read by one task, whatever their size
_CONFLICTS_SHOWN = 200


class Ingestion:
    """One pass over a source. The files are read once, in the constructor; all tables are derived from that.

    Attributes:
        bytes: size of the files that were read.

    Args:
        known_images, known_quarantine: the current tables, None if they do not exist.
        batch: value of the column batch of the added rows.
        block_lists: photos to leave out.
        arrivals: the files to look at, as `list_source` has them; without them, the source is listed.
    """

    def __init__(
        self,
        spark: SparkSession,
        source: Source,
        known_images: DataFrame | None,
        known_quarantine: DataFrame | None,
        batch: str,
        progress: Progress,
        block_lists: Sequence[BlockList] = (),
        arrivals: DataFrame | None = None,
    ) -> None:
        self._known_images = known_images
        self._known_quarantine = known_quarantine
        self._arriving = arrivals is not None
        self._added = {"batch": F.lit(batch)}
        self._now = F.lit(datetime.now(UTC))
        listed = list_source(spark, source) if arrivals is None else arrivals
        listed.persist()
        files = listed.where("ignored IS NULL").drop("ignored")
        settled = known_quarantine.where(F.col("reason") != UNSETTLED) if known_quarantine is not None else None
        pending = files
        for known in (known_images, settled):
            if known is not None:
                pending = _matching(pending, known, VERSION, "left_anti")
        totals = listed.agg(*_files_and_bytes(F.col("ignored").isNull()), F.count("ignored")).first()
        assert totals is not None  # an aggregate without groups always has one row
        self._found, self.bytes, self._ignored = totals
        self._pending: int = self._found
        if known_images is not None or settled is not None:
            todo = pending.agg(*_files_and_bytes(F.lit(True))).first()
            assert todo is not None
            self._pending, self.bytes = todo
        self._settled = _matching(files, settled, VERSION, "left_semi").count() if settled is not None else 0
        slots = spark.sparkContext.defaultParallelism
        # a multiple of slots, of tasks small enough to balance the load and to show progress
        rounds = math.ceil(max(self._pending / _FILES_PER_TASK, self.bytes / _BYTES_PER_FILE) / slots)
        tasks = max(1, min(self._pending, slots * rounds))
        self._files = max(slots, math.ceil(self.bytes / _BYTES_PER_FILE))  # Parquet files to write
        # DISK_ONLY: the photos stay on the executors' disks until all tables have been derived from them
        self._checked = (
            pending.repartition(tasks)
            .mapInArrow(lambda batches: check_files(batches, block_lists), CHECKED_SCHEMA)
            .persist(StorageLevel.DISK_ONLY)
        )
        read = self._checked.drop("content").persist()  # so that the photos are not read from disk again
        self._rejected = self._blocked = 0
        self._placed: DataFrame | None = None  # None: every accepted file is a new photo, as usual
        if self._pending:
            with progress("reading photos", self._pending):
                seen = count_read(read, self._pending)
            self._blocked = seen.blocked
            self._rejected = seen.files - seen.photos - seen.blocked
            if seen.photos != seen.distinct or (known_images is not None and any_known(read, known_images)):
                self._placed = place(read, known_images, files).persist()
        # number of files read in this run per outcome (see placement.py)
        self._outcomes = Counter(stored=self._pending - self._rejected - self._blocked)
        if self._placed is not None:
            counted = self._placed.groupBy("outcome").count().collect()
            self._outcomes = Counter({row["outcome"]: row["count"] for row in counted})
        listed.unpersist()
        read.unpersist()

    def images(self) -> DataFrame | None:
        """New photos, one row per photo, with the columns of bronze.images; None if there are no new files."""
        if not self._pending:
            return None
        new = self._checked.where("reason IS NULL")
        if self._placed is not None:  # few files are left out: broadcasting them avoids a shuffle of the photos
            others = self._placed.where("outcome != 'stored'").select("source_path")
            new = new.join(F.broadcast(others), "source_path", "left_anti")
        added = new.drop("reason", "detail").coalesce(self._files)
        return added.withColumns({"ingested_at": self._now} | self._added)

    def corrections(self) -> DataFrame | None:
        """Known photos whose file has moved: image_id, label and the columns of VERSION; None if there are none."""
        if self._placed is None or not (self._outcomes["relabelled"] or self._outcomes["moved"]):
            return None
        moved = self._placed.where("outcome IN ('relabelled', 'moved')")
        return moved.select("image_id", "label", *VERSION)

    def conflicts(self) -> list[Conflict]:
        """Files whose photo is stored with another label, the first _CONFLICTS_SHOWN by path."""
        if self._placed is None or not self._outcomes["conflict"]:
            return []
        rows = self._placed.where("outcome = 'conflict'").orderBy("source_path").limit(_CONFLICTS_SHOWN).collect()
        return [Conflict(row.source_path, row.label, row.kept_label) for row in rows]

    def quarantine(self) -> DataFrame | None:
        """Files rejected for the first time, with the columns of bronze.quarantine; None if there are none."""
        if not self._rejected:
            return None
        columns = ["source_path", "label", "reason", "detail", "size", "source_modified_at"]
        rejected = self._checked.where(F.col("reason") != BLOCKED).select(columns)
        if self._known_quarantine is not None:
            rejected = _matching(rejected, self._known_quarantine, [*VERSION, "reason"], "left_anti")
        return rejected.coalesce(1).withColumns({"quarantined_at": self._now} | self._added)

    @property
    def counts(self) -> Counts:
        """Number of files per outcome."""
        outcomes = self._outcomes
        quarantined = self._rejected + self._settled
        stored, relabelled, conflicts = outcomes["stored"], outcomes["relabelled"], outcomes["conflict"]
        known = self._found - stored - relabelled - quarantined - conflicts - self._blocked
        return Counts(self._found, stored, known, relabelled, quarantined, conflicts, self._blocked, self._ignored)

    @property
    def accepted(self) -> int:
        """Number of new files that hold a photo, except files of moved photos."""
        moved = self._outcomes["relabelled"] + self._outcomes["moved"]
        return self._pending - self._rejected - self._blocked - moved

    def check_quarantined(self, most: float) -> None:
        """Raise AuditError if more than this share of the source's files is quarantined, by this or earlier runs.

        One bad file would be a large share of a few arrivals, so the share is that of all files the lake knows.
        """
        bad, found = self.counts.quarantined, self._found
        if self._arriving:
            quarantine = self._known_quarantine.count() if self._known_quarantine else 0
            images = self._known_images.count() if self._known_images else 0
            bad, found = self._rejected + quarantine, self._pending + images + quarantine
        if bad > most * found:
            raise AuditError(
                f"bronze.images was not published: {bad:,} of {found:,} files ({bad / found:.1%}) cannot be used, more "
                f"than {most:.1%}: bronze.quarantine lists them with the reason; repair or remove them, or allow more "
                "with --max-quarantine-share"
            )

    def close(self) -> None:
        """Release what Spark holds in memory and on disk."""
        self._checked.unpersist()
        if self._placed is not None:
            self._placed.unpersist()


def _files_and_bytes(counted: Column) -> tuple[Column, Column]:
    """Aggregates: the number of listed files for which a condition holds, and their size in bytes."""
    return F.count_if(counted), F.coalesce(F.sum(F.when(counted, F.col("size"))), F.lit(0))


def _matching(new: DataFrame, old: DataFrame, columns: list[str], how: str) -> DataFrame:
    """Rows of new that are in old (left_semi) or not (left_anti), compared by columns; nulls are equal."""
    same = [F.col(f"new.{c}").eqNullSafe(F.col(f"old.{c}")) for c in columns]
    return new.alias("new").join(old.select(columns).alias("old"), same, how)
