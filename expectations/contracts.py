"""The contract of every published table, as a pandera model: rules that each row must keep.

Imported only in the executors (validation.py), so the driver does not need pandera. Rules about all rows together are
expectations in suites.yml.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from sys import float_info
from typing import Any, NamedTuple, get_args

import pandera.polars as pa
import polars as pl
from pandera.engines.polars_engine import DateTime
from pandera.errors import SchemaErrorReason, SchemaErrors

from catalog.tables import FEATURES
from expectations import checks
from ingestion.photo import MAX_BYTES, MIN_SIDE, Reason

_LARGEST = float_info.max  # excludes infinity
_K_LONG = {"gold.fruit_vectors": "vector", "gold.label_summary": "centroid"}  # columns with k numbers, k of the PCA


def _sha256() -> Any:
    return pa.Field(str_length={"exact_value": 64}, str_matches="^[0-9a-f]+$")


def _text() -> Any:
    return pa.Field(str_contains=r"\S")


def _time(nullable: bool = False) -> Any:
    return pa.Field(nullable=nullable, dtype_kwargs={"time_unit": "us", "time_zone": "UTC"})


def _numbers(inner: Any) -> Any:
    return pa.Field(dtype_kwargs={"inner": inner})


def _from_0_to(largest: float) -> Any:
    return pa.Field(in_range={"min_value": 0, "max_value": largest})


class Contract(pa.DataFrameModel):
    """Base of all contracts: columns are not nullable unless they say so, and no other columns are allowed."""

    class Config:
        """pandera configuration of every contract."""

        strict = True


class Images(Contract):
    """Contract of bronze.images."""

    image_id: str = _sha256()
    label: str = _text()
    source_path: str = _text()
    content: pl.Binary
    width: pl.Int32 = pa.Field(ge=MIN_SIDE)
    height: pl.Int32 = pa.Field(ge=MIN_SIDE)
    size: pl.Int64 = pa.Field(ge=1, le=MAX_BYTES)
    source_modified_at: DateTime = _time(nullable=True)  # null: outside the years that a timestamp can hold
    ingested_at: DateTime = _time()
    batch: str = _text()

    sha256_of_content = pa.check("image_id")(checks.sha256_of_content)
    without_metadata = pa.check("content")(checks.without_metadata)
    at_most_max_pixels = pa.check("height")(checks.at_most_max_pixels)


class Quarantine(Contract):
    """Contract of bronze.quarantine."""

    source_path: str = _text()
    label: str = pa.Field(nullable=True)  # null: the file is not in a label's folder
    reason: str = pa.Field(isin=get_args(Reason))
    detail: str
    size: pl.Int64 = pa.Field(ge=0)
    source_modified_at: DateTime = _time(nullable=True)
    quarantined_at: DateTime = _time()
    batch: str = _text()


class ImageFeatures(Contract):
    """Contract of silver.image_features."""

    image_id: str = _sha256()
    label: str = _text()
    features: pl.List = _numbers(pl.Float32)
    feature_norm: pl.Float32 = pa.Field(ge=0)
    model_id: str = _text()
    batch: str = _text()

    long_enough = pa.check("features")(checks.length(FEATURES))
    finite = pa.check("features")(checks.finite)
    agrees_with_features = pa.check("feature_norm")(checks.agrees_with_features)


class Pca(Contract):
    """Contract of gold.pca."""

    pca_id: str = _text()
    model_id: str = _text()
    k: pl.Int32 = pa.Field(ge=1, le=FEATURES)
    variance_target: pl.Float64 = pa.Field(gt=0, le=1)
    fitted_rows: pl.Int64 = pa.Field(ge=1)
    eigenvalues: pl.List = _numbers(pl.Float64)
    fitted_at: DateTime = _time()
    mean: pl.List = _numbers(pl.Float64)
    components: pl.List = _numbers(pl.List(pl.Float64))

    long_enough = pa.check("eigenvalues", "mean")(checks.length(FEATURES))
    finite = pa.check("eigenvalues", "mean")(checks.finite)
    falling = pa.check("eigenvalues")(checks.falling)
    reach_variance_target = pa.check("eigenvalues")(checks.reach_variance_target)
    of_k_rows = pa.check("components")(checks.k_rows_of(FEATURES))
    finite_rows = pa.check("components")(checks.finite_rows)
    unit_rows = pa.check("components")(checks.unit_rows)


class FruitVectors(Contract):
    """Contract of gold.fruit_vectors; `schema_of` adds the check that a vector has k numbers."""

    image_id: str = _sha256()
    vector: pl.List = _numbers(pl.Float32)
    pca_id: str = _text()
    label: str = _text()

    finite = pa.check("vector")(checks.finite)


class PcaVariance(Contract):
    """Contract of gold.pca_variance."""

    component: pl.Int32 = pa.Field(ge=1, le=FEATURES)
    eigenvalue: pl.Float64 = _from_0_to(_LARGEST)
    ratio: pl.Float64 = _from_0_to(1 + 1e-9)  # rounding may give a little more than 1
    cumulative: pl.Float64 = _from_0_to(1 + 1e-9)
    kept: bool
    pca_id: str = _text()


class LabelSummary(Contract):
    """Contract of gold.label_summary."""

    label: str = _text()
    photos: pl.Int64 = pa.Field(ge=1)
    share: pl.Float64 = pa.Field(gt=0, le=1)
    spread: pl.Float64 = _from_0_to(_LARGEST)
    centroid: pl.List = _numbers(pl.Float64)
    pca_id: str = _text()

    finite = pa.check("centroid")(checks.finite)


class LabelSimilarity(Contract):
    """Contract of gold.label_similarity."""

    label: str = _text()
    other_label: str = _text()
    # null: the cosine with a zero vector is undefined
    cosine: pl.Float64 = pa.Field(nullable=True, in_range={"min_value": -1 - 1e-9, "max_value": 1 + 1e-9})
    rank: pl.Int32 = pa.Field(ge=1)
    pca_id: str = _text()

    differs_from_label = pa.check("other_label")(checks.differs_from_label)


class LabelSuspects(Contract):
    """Contract of gold.label_suspects."""

    image_id: str = _sha256()
    label: str = _text()
    distance: pl.Float64 = _from_0_to(_LARGEST)
    nearest_label: str = _text()
    nearest_distance: pl.Float64 = _from_0_to(_LARGEST)
    pca_id: str = _text()

    differs_from_label = pa.check("nearest_label")(checks.differs_from_label)


CONTRACTS: dict[str, type[Contract]] = {
    "bronze.images": Images,
    "bronze.quarantine": Quarantine,
    "silver.image_features": ImageFeatures,
    "gold.pca": Pca,
    "gold.fruit_vectors": FruitVectors,
    "gold.pca_variance": PcaVariance,
    "gold.label_summary": LabelSummary,
    "gold.label_similarity": LabelSimilarity,
    "gold.label_suspects": LabelSuspects,
}


class Broken(NamedTuple):
    """A check that failed. where: one boolean per row, true if the row fails; None if all rows do."""

    column: str
    check: str
    where: pl.Series | None


@cache
def schema_of(table: str, k: int | None) -> pa.DataFrameSchema:
    """The table's contract as a pandera schema. k: required length of its vectors, None if there is no PCA."""
    schema = deepcopy(CONTRACTS[table].to_schema())
    if k is not None and table in _K_LONG:
        holds = checks.length(k)
        length = pa.Check(lambda data: holds(None, data), name=holds.__name__)
        schema.columns[_K_LONG[table]].checks.append(length)
    for check in (c for column in schema.columns.values() for c in column.checks):
        check.n_failure_cases = 0  # do not collect failing values: messages show keys, and photos are large
    return schema


def broken_checks(table: str, rows: pl.DataFrame, k: int | None) -> Iterator[Broken]:
    """Yield every check of the table's contract that these rows fail. An exception inside a check is raised."""
    try:
        schema_of(table, k).validate(rows, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            if error.reason_code is SchemaErrorReason.CHECK_ERROR:
                raise error from None  # the check itself crashed, which says nothing about the rows
            check = error.check if isinstance(error.check, str) else error.check.error or error.check.name
            output = error.check_output
            yield Broken(str(error.schema.name), check, None if output is None else ~output.to_series())
