"""Each table in a handful of numbers: what Great Expectations judges, and what the next run compares itself with.

    written rows (+ previous snapshot, facts of the run) ──one or two Spark jobs on narrow columns──▶ {name: number}

None: the number has no meaning here, such as a drift without a previous snapshot; nothing is expected of it.
The names are those of thresholds.yml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from expectations.facts import Facts
from ingestion.metadata import has_metadata

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Previous:
    """The table's current snapshot: its rows, their number, and the PCA of their vectors if they have one."""

    frame: DataFrame
    rows: int
    pca_id: str | None = None


def images(written: DataFrame, rows: int, previous: Previous | None, facts: Facts) -> Numbers:
    narrow = ["label", "width", "height"]
    whole = written.select(narrow)
    if previous is not None:
        whole = whole.unionByName(previous.frame.select(narrow))
    labels = (
        whole.groupBy("label")
        .agg(
            F.count("*").alias("photos"),
            F.min(F.least("width", "height")).alias("side"),
            F.max(F.col("width").cast("bigint") * F.col("height")).alias("pixels"),
        )
        .agg(F.count("*"), F.min("photos"), F.max("photos"), F.min("side"), F.max("pixels"))
        .first()
    )
    assert labels is not None  # an aggregate without groups has one row
    count, fewest, most, side, pixels = labels
    intake = facts.intake
    return {
        "quarantined_share": _share(intake.quarantined, intake.files) if intake else None,
        "duplicate_share": _share(intake.new - intake.rejected - rows, intake.new) if intake else None,
        "labels": count,
        "fewest_photos_of_a_label": fewest,
        "label_imbalance": _share(most, fewest),
        "smallest_side": side,
        "largest_photo": pixels,
        "photos_with_metadata": _photos_with_metadata(written),
    }


def image_features(written: DataFrame, rows: int, previous: Previous | None, facts: Facts) -> Numbers:
    norms = written.agg(
        F.min("feature_norm"), F.max("feature_norm"), F.avg("feature_norm"), F.first("model_id")
    ).first()
    assert norms is not None
    smallest, largest, mean, model = norms
    drift = None
    if previous is not None:
        before = previous.frame.where(F.col("model_id") == model).agg(F.avg("feature_norm")).first()
        drift = abs(mean / before[0] - 1) if before and before[0] and mean else None
    return {
        "rows_against_photos": _share(rows, facts.expected_rows),
        "smallest_norm": smallest,
        "largest_norm": largest,
        "mean_norm_drift": drift,
    }


def pca(written: DataFrame, rows: int, previous: Previous | None, facts: Facts) -> Numbers:
    fitted = written.first()
    assert fitted is not None  # gold.pca always holds one row
    explained = _share(sum(fitted["eigenvalues"][: fitted["k"]]), sum(fitted["eigenvalues"]))
    return {
        "rows": rows,
        "explained_variance": None if explained is None else round(explained, 9),  # sums differ in the last digits
    }


def fruit_vectors(written: DataFrame, rows: int, previous: Previous | None, facts: Facts) -> Numbers:
    found = written.groupBy("label").agg(F.collect_set("pca_id").alias("pca_ids")).collect()
    lost = None
    if previous is not None and not facts.erasing:
        before = {row["label"] for row in previous.frame.select("label").distinct().collect()}
        lost = len(before - {row["label"] for row in found})
    return {
        "rows_against_previous": _share(rows, previous.rows) if previous and not facts.erasing else None,
        "labels_lost": lost,
        "explained_of_new_photos": facts.explained,
        "pcas": len({pca_id for row in found for pca_id in row["pca_ids"]}),
    }


def label_summary(written: DataFrame, rows: int, previous: Previous | None, facts: Facts) -> Numbers:
    share = written.agg(F.max("share")).first()
    same_pca = previous is not None and facts.pca is not None and previous.pca_id == facts.pca.pca_id
    return {
        "labels_against_previous": _share(rows, previous.rows) if previous and not facts.erasing else None,
        "largest_label_share": share[0] if share else None,
        # the vectors of two PCAs lie in different spaces: nothing to compare
        "centroid_drift": _centroid_drift(written, previous.frame) if previous and same_pca else None,
    }


STATISTICS: dict[str, Callable[[DataFrame, int, Previous | None, Facts], Numbers]] = {
    "bronze.images": images,
    "silver.image_features": image_features,
    "gold.pca": pca,
    "gold.fruit_vectors": fruit_vectors,
    "gold.label_summary": label_summary,
}


def _centroid_drift(now: DataFrame, before: DataFrame) -> float | None:
    """How far the label that moved most has moved, in units of its own spread."""
    squares = F.aggregate(
        F.zip_with("now.centroid", "before.centroid", lambda a, b: (a - b) * (a - b)), F.lit(0.0), lambda s, x: s + x
    )
    moved = now.alias("now").join(before.alias("before"), "label").where("before.spread > 0")
    row = moved.agg(F.max(F.sqrt(squares) / F.col("before.spread"))).first()
    return row[0] if row else None


def _photos_with_metadata(written: DataFrame) -> int:
    """Counted in what was written: a walk over each photo's headers, some 20 µs, where decoding it takes 300."""

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = sum(has_metadata(photo.as_buffer().to_pybytes()) for photo in batch["content"])
            yield pa.RecordBatch.from_pydict({"photos": pa.array([found], pa.int64())})

    row = written.select("content").mapInArrow(count, "photos bigint").agg(F.sum("photos")).first()
    return int(row[0] or 0) if row else 0


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
