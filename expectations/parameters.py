"""The $PARAMETERs of suites.yml: values from the run and the last snapshot that expectations compare with.

A parameter is computed only if an expectation uses it; None means that it has no value in this run. `rows_<table>` is
the row count of an upstream table, for example rows_gold_fruit_vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.tables import TABLES
from expectations.context import AuditContext, Previous

_ROWS_OF = {f"rows_{name.replace('.', '_')}": name for name in TABLES}


@dataclass(frozen=True)
class Audited:
    """A table being audited: the rows written, the whole table after the change, and its last snapshot."""

    written: DataFrame
    whole: DataFrame
    previous: Previous | None
    context: AuditContext


def values(names: Iterable[str], audited: Audited) -> dict[str, Any]:
    """Values of the named parameters, without those that have none in this run."""
    found = {name: _value(name, audited) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def is_known(name: str) -> bool:
    """Whether there is a parameter of this name."""
    return name in _PARAMETERS or name in _ROWS_OF


def _value(name: str, audited: Audited) -> Any:
    return audited.context.inputs.get(_ROWS_OF[name]) if name in _ROWS_OF else _PARAMETERS[name](audited)


def _before(audited: Audited) -> Previous | None:
    """The last snapshot; None while rows are being erased, because the table may then shrink."""
    return None if audited.context.erasing else audited.previous


def _previous_rows(audited: Audited) -> int | None:
    before = _before(audited)
    return before.count if before else None


def _previous_labels(audited: Audited) -> list[str] | None:
    """Labels of the last snapshot that must still be there."""
    before = _before(audited)
    if before is None:
        return None
    return sorted(
        {row["label"] for row in before.rows.select("label").distinct().collect()} - audited.context.relabelled
    )


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


_PARAMETERS: dict[str, Callable[[Audited], Any]] = {
    "variance": lambda a: a.context.variance,
    "variances": lambda a: [a.context.variance],
    "expected_rows": lambda a: a.context.expected_rows,
    "rows_before": lambda a: a.previous.count if a.previous else 0,
    "new_files": lambda a: a.context.intake.files if a.context.intake else None,
    "new_photos": lambda a: a.context.intake.photos if a.context.intake else None,
    "fewest_rows": lambda a: 0 if a.context.erasing else 1,
    "pca_ids": lambda a: [a.context.pca.pca_id] if a.context.pca else None,
    "previous_rows": _previous_rows,
    "previous_labels": _previous_labels,
    "previous_pairs": _previous_pairs,
    "previous_mean_norm": _previous_mean_norm,
}
