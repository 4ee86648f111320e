"""The contract of every published table: what pandera checks in each of its rows.

Columns and their types are those of catalog/tables.py. Rules about all rows together are expectations in suites.yml.
"""

from collections.abc import Iterator
from functools import cache
from sys import float_info
from typing import get_args

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrorReason, SchemaErrors
from pandera.polars import Check

from catalog.tables import FEATURES, TABLES
from expectations import checks
from ingestion.photo import MAX_BYTES, MIN_SIDE, Reason

_SHA256 = [Check.str_length(exact_value=64), Check.str_matches("^[0-9a-f]+$")]
_TEXT = [Check.str_contains(r"\S")]
_COUNT = [Check.ge(1)]
_FROM_0 = [Check.in_range(0, float_info.max)]  # excludes infinity
_SHARE = [Check.in_range(0, 1 + 1e-9)]  # rounding may give a little more than 1

CONTRACTS: dict[str, dict[str, list[Check]]] = {
    "bronze.images": {
        "image_id": [*_SHA256, checks.sha256_of_content],
        "label": _TEXT,
        "source_path": _TEXT,
        "content": [checks.without_metadata],
        "width": [Check.ge(MIN_SIDE)],
        "height": [Check.ge(MIN_SIDE), checks.at_most_max_pixels],
        "size": [Check.ge(1), Check.le(MAX_BYTES)],
        "batch": _TEXT,
    },
    "bronze.quarantine": {
        "source_path": _TEXT,
        "reason": [Check.isin(get_args(Reason))],
        "size": [Check.ge(0)],
        "batch": _TEXT,
    },
    "silver.image_features": {
        "image_id": _SHA256,
        "label": _TEXT,
        "features": [checks.length(FEATURES), checks.finite],
        "feature_norm": [Check.ge(0), checks.agrees_with_features],
        "model_id": _TEXT,
        "batch": _TEXT,
    },
    "gold.pca": {
        "pca_id": _TEXT,
        "model_id": _TEXT,
        "k": [Check.ge(1), Check.le(FEATURES)],
        "variance_target": [Check.gt(0), Check.le(1)],
        "fitted_rows": _COUNT,
        "eigenvalues": [checks.length(FEATURES), checks.finite, checks.falling, checks.reach_variance_target],
        "mean": [checks.length(FEATURES), checks.finite],
        "components": [checks.k_rows_of(FEATURES), checks.finite_rows, checks.unit_rows],
    },
    "gold.fruit_vectors": {
        "image_id": _SHA256,
        "vector": [checks.finite],
        "pca_id": _TEXT,
        "label": _TEXT,
    },
    "gold.pca_variance": {
        "component": [Check.ge(1), Check.le(FEATURES)],
        "eigenvalue": _FROM_0,
        "ratio": _SHARE,
        "cumulative": _SHARE,
        "pca_id": _TEXT,
    },
    "gold.label_summary": {
        "label": _TEXT,
        "photos": _COUNT,
        "share": [Check.gt(0), Check.le(1)],
        "spread": _FROM_0,
        "centroid": [checks.finite],
        "pca_id": _TEXT,
    },
    "gold.label_similarity": {
        "label": _TEXT,
        "other_label": [*_TEXT, checks.differs_from_label],
        "cosine": [Check.in_range(-1 - 1e-9, 1 + 1e-9)],
        "rank": _COUNT,
        "pca_id": _TEXT,
    },
    "gold.label_suspects": {
        "image_id": _SHA256,
        "label": _TEXT,
        "distance": _FROM_0,
        "nearest_label": [*_TEXT, checks.differs_from_label],
        "nearest_distance": _FROM_0,
        "pca_id": _TEXT,
    },
}
_NULLABLE = {
    ("bronze.images", "source_modified_at"),  # outside the years that a timestamp can hold
    ("bronze.quarantine", "source_modified_at"),
    ("bronze.quarantine", "label"),  # the file is not in a label's folder
    ("gold.label_similarity", "cosine"),  # the cosine with a zero vector is undefined
}
_K_LONG = {("gold.fruit_vectors", "vector"), ("gold.label_summary", "centroid")}  # k numbers, k of the PCA


@cache
def schema_of(table: str, k: int | None) -> pa.DataFrameSchema:
    """The table's contract as a pandera schema. k: required length of its vectors, None if there is no PCA."""
    columns = {}
    for name, kind in pl.DataFrame(TABLES[table].arrow_schema.empty_table()).schema.items():
        rules = [*CONTRACTS[table].get(name, ())]
        if k is not None and (table, name) in _K_LONG:
            rules.append(checks.length(k))
        for rule in rules:
            rule.n_failure_cases = 0  # do not collect failing values: messages show keys, and photos are large
        columns[name] = pa.Column(kind, rules, nullable=(table, name) in _NULLABLE)
    return pa.DataFrameSchema(columns, strict=True)


def broken_checks(table: str, rows: pl.DataFrame, k: int | None) -> Iterator[tuple[str, str, pl.Series | None]]:
    """Yield column, check and failing rows of every check of the table's contract that does not hold.

    The failing rows are one boolean per row; None if all rows fail. An exception inside a check is raised.
    """
    try:
        schema_of(table, k).validate(rows, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            if error.reason_code is SchemaErrorReason.CHECK_ERROR:
                raise error from None  # the check itself crashed, which says nothing about the rows
            check = error.check if isinstance(error.check, str) else error.check.error or error.check.name
            output = error.check_output
            yield str(error.schema.name), check, None if output is None else ~output.to_series()
