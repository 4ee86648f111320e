"""Queries of the report on the lake's tables, read with Arrow. Every result has a limit."""

from collections import Counter
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds
from more_itertools import constrained_batches

from catalog.parquet import BATCH_ROWS
from expectations.report.contents import Label, Pair, Point, Quarantine, QuarantinedFile, Suspect

MAX_LABELS = 2_000
MAX_POINTS = 1_500
MAX_PAIRS = 12
MAX_SUSPECTS = 24
MAX_FILES = 200
_AT_ONCE = 250_000  # rows among which points are chosen


def labels(summary: ds.Dataset) -> tuple[Label, ...]:
    """The labels with the most photos in gold.label_summary, sorted by name."""
    largest = _frame(summary, "label", "photos", "spread", "centroid").sort("photos", "label", descending=[True, False])
    rows = largest.head(MAX_LABELS).sort("label").rows()
    return tuple(Label(name, photos, spread, tuple(centroid)) for name, photos, spread, centroid in rows)


def labels_of_photos(images: ds.Dataset) -> tuple[Label, ...]:
    """The same from bronze.images if there is no gold yet, without spread and centroid."""
    photos = Counter[str]()
    for batch in images.to_batches(columns=["label"]):
        for counted in batch["label"].value_counts().to_pylist():
            photos[counted["values"]] += counted["counts"]
    largest = sorted(photos.items(), key=lambda item: (-item[1], item[0]))[:MAX_LABELS]
    return tuple(Label(*item) for item in sorted(largest))


def points(vectors: ds.Dataset) -> list[Point]:
    """Sample up to MAX_POINTS photos, evenly from all labels, with their first two components.

    Within a label, photos are taken in order of image_id. It is a hash, so the sample is random, but stable.
    """
    columns = {name: pc.field(name) for name in ("image_id", "label")}
    columns["vector"] = pc.list_slice(pc.field("vector"), 0, 2)
    # by default, Arrow reads 64 batches of 131,072 vectors ahead
    batches = vectors.to_batches(columns, batch_size=BATCH_ROWS, batch_readahead=4, fragment_readahead=2)
    dealt = pl.DataFrame(schema={"image_id": pl.String, "label": pl.String, "x": pl.Float64, "y": pl.Float64})
    axes = [
        pl.col("vector").list.get(i, null_on_oob=True).fill_null(0).cast(pl.Float64).alias(n)
        for i, n in enumerate("xy")
    ]
    turn = pl.int_range(pl.len()).over("label")
    for some in constrained_batches(batches, _AT_ONCE, get_len=len, strict=False):
        read = pl.concat([pl.DataFrame(batch) for batch in some]).select("image_id", "label", *axes)
        # no photo that is left out here can be among the first of all photos
        dealt = pl.concat([dealt, read]).sort("image_id").sort(turn, "label").head(MAX_POINTS)
    return [Point(*row) for row in dealt.rows()]


def pairs(similarity: ds.Dataset) -> list[Pair]:
    """The most similar pairs of labels, each pair once."""
    once = (pc.field("label") < pc.field("other_label")) & pc.field("cosine").is_valid()
    found = _frame(similarity, "label", "other_label", "cosine", where=once)
    ordered = found.sort("cosine", "label", "other_label", descending=[True, False, False])
    return [Pair(*row) for row in ordered.head(MAX_PAIRS).rows()]


def suspects(found: ds.Dataset) -> list[Suspect]:
    """The most suspicious photos: those with the smallest ratio of nearest_distance to distance."""
    ordered = _frame(found, *Suspect._fields).sort(pl.col("nearest_distance") / pl.col("distance"), "image_id")
    return [Suspect(*row) for row in ordered.head(MAX_SUSPECTS).rows()]


def quarantined(table: ds.Dataset) -> Quarantine:
    """Counts by reason, and the newest MAX_FILES rejected files."""
    files = _frame(table, *QuarantinedFile._fields, "quarantined_at")
    reasons = files.group_by("reason").len().sort("len", "reason", descending=[True, False])
    newest = files.sort("quarantined_at", "reason", "source_path", descending=[True, False, False]).head(MAX_FILES)
    rows = newest.select(QuarantinedFile._fields).rows()
    return Quarantine(files.height, reasons.rows(), [QuarantinedFile(*row) for row in rows])


def _frame(rows: ds.Dataset, *columns: str, where: Any = None) -> pl.DataFrame:
    return pl.DataFrame(rows.to_table([*columns], filter=where))
