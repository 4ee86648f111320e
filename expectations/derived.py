"""Derived columns, which suites use but tables do not store: a row compared with the last snapshot, or with the PCA."""

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from expectations.audited import Audited

_BROADCAST_ROWS = 500_000  # of an id and a number, 50 MB


def with_derived(rows: DataFrame, columns: set[str], audited: Audited) -> DataFrame:
    """Add the derived ones among the columns to the rows, unless they cannot be computed in this run."""
    for name, derive in DERIVED.get(audited.table.name, {}).items():
        if name in columns:
            rows = derive(rows, audited) or rows
    return rows


def _centroid_shift(rows: DataFrame, audited: Audited) -> DataFrame | None:
    """How far each label's centroid has moved, in units of its previous spread; null for a new label.

    Not computed after a refit: the vectors of two PCAs lie in different spaces.
    """
    previous, pca = audited.previous, audited.pca
    if previous is None or pca is None or previous.pca_id != pca.pca_id:
        return None
    before = previous.rows.select("label", F.struct("centroid", "spread").alias("before")).where("before.spread > 0")
    squares = F.zip_with("centroid", "before.centroid", lambda here, there: (here - there) * (here - there))
    moved = F.sqrt(F.aggregate(squares, F.lit(0.0), lambda total, square: total + square))
    shifted = rows.join(before, "label", "left")
    return shifted.withColumn("centroid_shift", moved / F.col("before.spread")).drop("before")


def _explained(rows: DataFrame, audited: Audited) -> DataFrame | None:
    """How well the PCA fits each photo it was not fitted on; null for the others."""
    shares, count = audited.explained, audited.expected_rows
    if shares is None:
        return None
    few = count is not None and count < _BROADCAST_ROWS  # else Spark would shuffle the whole table
    return rows.join(F.broadcast(shares) if few else shares, "image_id", "left")


DERIVED: dict[str, dict[str, Callable[[DataFrame, Audited], DataFrame | None]]] = {
    "gold.fruit_vectors": {"explained": _explained},
    "gold.label_summary": {"centroid_shift": _centroid_shift},
}
