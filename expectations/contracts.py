"""The contract of every published table, as pandera models for PySpark.

    written rows ──tally: one Spark job──▶ counts ──pandera: types, columns, checks──▶ AuditError or the row count

Nulls are a check of ours, too (`nullable=True` keeps pandera from starting a job a column for them), and so
is the key: pandera looks up what the one job has counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pandera.pyspark as pa
import pyspark.sql.types as T
from pandera.api.extensions import register_check_method
from pyspark.sql import DataFrame

from catalog.errors import AuditError
from catalog.tables import FEATURES, Table
from expectations.rules import MEANING, RULES
from expectations.tally import Check, Tally, count, examples, repeated_examples

K = "k"  # stands for the number of components of the PCA in use, known only when a table is checked

_tally: ContextVar[Tally] = ContextVar("_tally")


def _looked_up(rule: str) -> Callable[..., bool]:
    def check(data: Any, *, value: object) -> bool:
        return not _tally.get().broken.get((data.column_name, rule), 0)

    check.__name__ = rule
    return check


for _rule in RULES:
    register_check_method(_looked_up(_rule))


def _field(dtype_kwargs: dict[str, Any] | None = None, **rules: Any) -> Any:
    checks: dict[str, Any] = {rule: {"value": value} for rule, value in rules.items()}
    return pa.Field(nullable=True, dtype_kwargs=dtype_kwargs, **checks)


def _text() -> Any:
    return _field(not_null=True, not_blank=True)


def _number(**rules: Any) -> Any:
    return _field(not_null=True, finite=True, **rules)


def _count(at_least: int = 0) -> Any:
    return _field(not_null=True, at_least=at_least)


def _numbers(element: T.DataType, length: int | str) -> Any:
    return _field({"elementType": element}, not_null=True, length=length, all_finite=True)


class Contract(pa.DataFrameModel):  # type: ignore[type-arg]
    """What all tables share: the columns are exactly these, and no key stands twice."""

    class Config:
        strict = True

    @pa.dataframe_check
    def key_unique(cls, rows: DataFrame) -> bool:  # type: ignore[misc]  # pandera makes it a class method
        return not _tally.get().repeated


class Images(Contract):
    image_id: T.StringType = _text()
    label: T.StringType = _text()
    source_path: T.StringType = _text()
    content: T.BinaryType = _field(not_null=True)
    width: T.IntegerType = _count(1)
    height: T.IntegerType = _count(1)
    size: T.LongType = _count(1)
    source_modified_at: T.TimestampType = _field()  # null: a year that no calendar has
    ingested_at: T.TimestampType = _field(not_null=True)
    batch: T.StringType = _text()


class Quarantine(Contract):
    source_path: T.StringType = _text()
    label: T.StringType = _field()  # a file may lie in no folder
    reason: T.StringType = _text()
    detail: T.StringType = _field(not_null=True)
    size: T.LongType = _count()
    source_modified_at: T.TimestampType = _field()
    quarantined_at: T.TimestampType = _field(not_null=True)
    batch: T.StringType = _text()


class ImageFeatures(Contract):
    image_id: T.StringType = _text()
    label: T.StringType = _text()
    features: T.ArrayType = _numbers(T.FloatType(), FEATURES)
    feature_norm: T.FloatType = _number(at_least=0)
    model_id: T.StringType = _text()
    batch: T.StringType = _text()


class Pca(Contract):
    pca_id: T.StringType = _text()
    model_id: T.StringType = _text()
    k: T.IntegerType = _field(not_null=True, at_least=1, at_most=FEATURES)
    variance_target: T.DoubleType = _number(at_least=0, at_most=1)
    fitted_rows: T.LongType = _count(1)
    eigenvalues: T.ArrayType = _numbers(T.DoubleType(), FEATURES)
    fitted_at: T.TimestampType = _field(not_null=True)


class FruitVectors(Contract):
    image_id: T.StringType = _text()
    vector: T.ArrayType = _numbers(T.FloatType(), K)
    pca_id: T.StringType = _text()
    label: T.StringType = _text()


class PcaVariance(Contract):
    component: T.IntegerType = _field(not_null=True, at_least=1, at_most=FEATURES)
    eigenvalue: T.DoubleType = _number(at_least=0)
    ratio: T.DoubleType = _number(at_least=0)
    cumulative: T.DoubleType = _number(at_least=0)
    kept: T.BooleanType = _field(not_null=True)
    pca_id: T.StringType = _text()


class LabelSummary(Contract):
    label: T.StringType = _text()
    photos: T.LongType = _count(1)
    share: T.DoubleType = _number(at_least=0, at_most=1)
    spread: T.DoubleType = _number(at_least=0)
    centroid: T.ArrayType = _numbers(T.DoubleType(), K)


class LabelSimilarity(Contract):
    label: T.StringType = _text()
    other_label: T.StringType = _text()
    cosine: T.DoubleType = _field(finite=True)  # null: a centroid of length 0 has no direction
    rank: T.IntegerType = _count(1)


CONTRACTS: dict[str, type[Contract]] = {
    "bronze.images": Images,
    "bronze.quarantine": Quarantine,
    "silver.image_features": ImageFeatures,
    "gold.pca": Pca,
    "gold.fruit_vectors": FruitVectors,
    "gold.pca_variance": PcaVariance,
    "gold.label_summary": LabelSummary,
    "gold.label_similarity": LabelSimilarity,
}


def checks_of(table: str, k: int | None) -> list[Check]:
    """Every column check of a table's contract; those that need an unknown k are left out."""
    columns = CONTRACTS[table].to_schema().columns
    stated = [Check(name, c.name, c._check_kwargs["value"]) for name, column in columns.items() for c in column.checks]
    known = [check._replace(value=k) if check.value == K else check for check in stated]
    return [check for check in known if check.value is not None]


def check_contract(table: Table, written: DataFrame, others: DataFrame | None, k: int | None) -> Tally:
    """The tally of what was written. Raises AuditError if it breaks the table's contract.

    others: what the table holds already and keeps; k: the length of a gold vector, None if there is no PCA.
    """
    checks = checks_of(table.name, k)
    if table.partition is None:  # a mart or the PCA: small, and in one task it needs no shuffle
        written = written.coalesce(1)
    tally = count(written, checks, table.key, others)
    with _counted(tally, checks):
        checked: Any = CONTRACTS[table.name].to_schema().validate(written)  # collects errors, raises none
    broken = [_describe(e, table, written, others, checks, tally) for e in _flat(checked.pandera.errors)]
    if broken:
        raise AuditError(
            f"{table.name} was not published: {'; '.join(broken)}. What was current still is; "
            "run again, and if it stays, the contract is expectations/contracts.py"
        )
    return tally


@contextmanager
def _counted(tally: Tally, checks: list[Check]) -> Iterator[None]:
    token = _tally.set(tally)
    try:
        yield
    finally:
        _tally.reset(token)


def _flat(errors: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    return [error for reasons in errors.values() for found in reasons.values() for error in found]


def _describe(
    error: dict[str, Any],
    table: Table,
    written: DataFrame,
    others: DataFrame | None,
    checks: list[Check],
    tally: Tally,
) -> str:
    """One violation in words: column, check, rows, examples."""
    column, rule = str(error["column"]), str(error["check"])
    if rule == "key_unique":
        column, rows = f"({', '.join(table.key)})", tally.repeated
        keys = repeated_examples(written, table.key, others)
    else:
        check = next((c for c in checks if (c.column, c.rule) == (column, rule)), None)
        if check is None:  # a type or a column that is not the contract's: all rows, no example
            return f"column {column} breaks {rule}: {error['error']}"
        rows, keys = tally.broken[column, rule], examples(written, check, table.key)
        rule = f"{rule} ({MEANING[rule].format(value=check.value)})"
    return f"column {column} breaks {rule} in {rows:,} of {tally.rows:,} rows, for example {' · '.join(keys)}"
