"""The $PARAMETERs of suites.yml: values from the run and the last snapshot that expectations compare with.

A parameter is computed only if an expectation uses it; None means that it has no value in this run. `rows_<table>` is
the row count of an upstream table, for example rows_gold_fruit_vectors.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pyspark.sql import functions as F

from catalog.tables import TABLES
from expectations.audited import Audited, Previous


def values(names: Iterable[str], audited: Audited) -> dict[str, Any]:
    """Values of the named parameters, without those that have none in this run."""
    return {name: value for name in names if (value := PARAMETERS[name](audited)) is not None}


def _before(audited: Audited) -> Previous | None:
    """The last snapshot; None while rows are being erased, because the table may then shrink."""
    return None if audited.erasing else audited.previous


def _previous_labels(audited: Audited) -> list[str] | None:
    """Labels of the last snapshot that must still be there."""
    before = _before(audited)
    if before is None:
        return None
    return sorted({row["label"] for row in before.rows.select("label").distinct().collect()} - audited.relabelled)


def _previous_pairs(audited: Audited) -> int | None:
    """Number of ordered pairs of the labels that must still be there."""
    labels = _previous_labels(audited)
    return len(labels) * (len(labels) - 1) if labels is not None else None


def _previous_mean_norm(audited: Audited) -> float | None:
    """Mean feature norm of the last snapshot's photos that have the same model."""
    if audited.previous is None:
        return None
    models = audited.written.select("model_id").distinct()
    row = audited.previous.rows.join(models, "model_id", "left_semi").agg(F.avg("feature_norm")).first()
    return row[0] if row else None


def _rows_of(table: str, audited: Audited) -> int | None:
    return audited.inputs.get(table)


PARAMETERS: dict[str, Callable[[Audited], Any]] = {
    "variance": lambda a: a.variance,
    "variances": lambda a: [a.variance],
    "expected_rows": lambda a: a.expected_rows,
    "rows_before": lambda a: a.previous.count if a.previous else 0,
    "new_files": lambda a: a.new_files,
    "new_photos": lambda a: a.new_photos,
    "fewest_rows": lambda a: 0 if a.erasing else 1,
    "pca_ids": lambda a: [a.pca.pca_id] if a.pca else None,
    "previous_rows": lambda a: before.count if (before := _before(a)) else None,
    "previous_labels": _previous_labels,
    "previous_pairs": _previous_pairs,
    "previous_mean_norm": _previous_mean_norm,
    **{f"rows_{name.replace('.', '_')}": partial(_rows_of, name) for name in TABLES},
}
