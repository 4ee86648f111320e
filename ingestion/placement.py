"""Decide which label a photo gets when several files hold it, or when its file has moved.

- A new photo gets the label of its file; if several files hold it, the first by path decides.
- A known photo keeps its label as long as the file it came from exists, unchanged.
- If that file is gone or has changed, the photo has moved: it gets the label of its new file. If there are several,
  one with the old label wins, then the first by path.

    files read + known photos ──▶ outcome per file: stored | duplicate | moved | relabelled | conflict
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from catalog.storage import may_exist
from ingestion.reading import BLOCKED

_REQUESTS = 32  # concurrent requests to a bucket
_MANY = 100_000  # files; fewer are counted in the driver, because Spark needs three stages to count distinct ids


class ReadFiles(NamedTuple):
    """Number of files that were read, of those that hold a photo, of distinct photos, and of blocked files."""

    files: int
    photos: int
    distinct: int
    blocked: int


def count_read(read: DataFrame, expected: int) -> ReadFiles:
    """Count the files that were read, rows of CHECKED_SCHEMA. expected: about how many there are."""
    if expected > _MANY:
        ids = F.count("image_id"), F.count_distinct("image_id")
        row = read.agg(F.count("*"), *ids, F.count_if(F.col("reason") == BLOCKED)).first()
        assert row is not None  # an aggregate without groups always has one row
        return ReadFiles(*row)
    ids, reasons = read.select("image_id", "reason").toArrow().columns
    blocked = pc.sum(pc.equal(reasons, BLOCKED)).as_py() or 0
    return ReadFiles(len(ids), len(ids) - ids.null_count, pc.count_distinct(ids).as_py(), blocked)


def any_known(read: DataFrame, images: DataFrame) -> bool:
    """Whether a photo that was read is stored already; if none is, they need not be placed, which takes seconds."""
    return not read.join(images.select("image_id"), "image_id", "left_semi").isEmpty()


def place(read: DataFrame, known: DataFrame | None, files: DataFrame) -> DataFrame:
    """Add `outcome` and `kept_label`, the label of the photo from now on, to the files that hold a photo.

    Args:
        read: new and changed files, with image_id, label, source_path, reason and other columns.
        known: bronze.images, None if it does not exist.
        files: every file of the source; a file listed there is known to exist.
    """
    accepted = read.where("reason IS NULL").drop("reason", "detail")
    if known is None:
        none = F.lit(None).cast("string")
        joined = accepted.withColumns({"known_label": none, "known_path": none, "gone": F.lit(False)})
    else:
        photos = known.select("image_id", F.col("label").alias("known_label"), F.col("source_path").alias("known_path"))
        joined = accepted.join(photos, "image_id", "left")
        joined = joined.join(_gone(joined, read, files), "known_path", "left")
    first = Window.partitionBy("image_id").orderBy(
        F.coalesce(F.col("label") == F.col("known_label"), F.lit(False)).desc(), "source_path"
    )
    new, gone = F.col("known_label").isNull(), F.coalesce(F.col("gone"), F.lit(False))
    ranked = joined.withColumns({"turn": F.row_number().over(first), "first_label": F.first("label").over(first)})
    kept = F.when(new | gone, F.col("first_label")).otherwise(F.col("known_label"))
    decides = F.col("turn") == 1
    outcome = (
        F.when(new & decides, "stored")
        .when(gone & decides & (F.col("label") != F.col("known_label")), "relabelled")
        .when(gone & decides, "moved")
        .when(F.col("label") == kept, "duplicate")
        .otherwise("conflict")
    )
    placed = ranked.withColumns({"kept_label": kept, "outcome": outcome})
    return placed.select(*accepted.columns, "kept_label", "outcome")


def _gone(joined: DataFrame, read: DataFrame, files: DataFrame) -> DataFrame:
    """The stored paths of known photos that were read again, and whether the file there is gone or has changed."""
    asked = joined.where("known_path IS NOT NULL").select("known_path").distinct()
    for name, found in (("rewritten", read), ("listed", files)):
        paths = found.select(F.col("source_path").alias("known_path")).distinct().withColumn(name, F.lit(True))
        asked = asked.join(paths, "known_path", "left").withColumn(name, F.coalesce(name, F.lit(False)))
    return asked.mapInArrow(_look, "known_path string, gone boolean")


def _look(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Tell for each path whether its file is gone or rewritten; storage is asked only if the file is not listed."""
    with ThreadPoolExecutor(_REQUESTS) as pool:
        for batch in batches:
            rows = batch.to_pylist()
            there = pool.map(lambda row: row["listed"] or may_exist(row["known_path"]), rows)
            gone = [row["rewritten"] or not found for row, found in zip(rows, there, strict=True)]
            yield pa.RecordBatch.from_pydict({"known_path": batch["known_path"], "gone": pa.array(gone, pa.bool_())})
