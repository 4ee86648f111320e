"""Contracts: every rule of every table is broken once, and the error says where; schemas match the tables."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from catalog.errors import AuditError
from catalog.tables import FEATURES, TABLES, Table
from expectations.audit import validate
from expectations.audited import Audited, Previous
from expectations.contracts import CONTRACTS, schema_of
from expectations.suites import Suites
from expectations.validation import Violation, repeated_keys, repeated_keys_of_few, violations
from ingestion.photo import MAX_BYTES
from tests.expectations.rows import PCA, frame, row, sha
from tests.photos import encode, picture

NAN, INFINITY = float("nan"), float("inf")
UNIT = [1.0] + [0.0] * (FEATURES - 1)
HEX, TEXT, SHARE = r"str_matches('^[0-9a-f]+$')", r"str_contains('\S')", "in_range(0, 1.000000001)"
UP_TO_LARGEST = "in_range(0, 1.7976931348623157e+308)"
WITH_METADATA = encode(picture(), comment=b"from Ada")

# (column, bad value, the check it breaks, prefixed with the check's column if that is a different one);
# in addition, every column that must not be null is null once
BROKEN: dict[str, list[tuple[str, Any, str]]] = {
    "bronze.images": [
        ("image_id", sha(1)[:63], "str_length(64)"),
        ("image_id", "G" * 64, HEX),
        ("image_id", sha("another photo"), "sha256_of_content"),
        ("label", " ", TEXT),
        ("source_path", "", TEXT),
        ("content", WITH_METADATA, "without_metadata"),
        ("width", 31, "greater_than_or_equal_to(32)"),
        ("height", 31, "greater_than_or_equal_to(32)"),
        ("height", 2_000_001, "at_most_max_pixels"),
        ("size", 0, "greater_than_or_equal_to(1)"),
        ("size", MAX_BYTES + 1, f"less_than_or_equal_to({MAX_BYTES})"),
        ("batch", "", TEXT),
    ],
    "bronze.quarantine": [
        ("source_path", "", TEXT),
        ("reason", "ugly", "isin("),
        ("size", -1, "greater_than_or_equal_to(0)"),
        ("batch", "", TEXT),
    ],
    "silver.image_features": [
        ("image_id", "", "str_length(64)"),
        ("image_id", "G" * 64, HEX),
        ("label", "\t", TEXT),
        ("features", [0.5] * (FEATURES - 1), "holds_1280_numbers"),
        ("features", [0.5] * (FEATURES - 1) + [NAN], "finite"),
        ("features", [0.5] * (FEATURES - 1) + [-INFINITY], "finite"),
        ("features", [0.5] * (FEATURES - 1) + [None], "finite"),
        ("feature_norm", -17.8885, "greater_than_or_equal_to(0)"),
        ("feature_norm", 17.8, "agrees_with_features"),
        ("feature_norm", INFINITY, "agrees_with_features"),
        ("feature_norm", NAN, "not_nullable"),
        ("model_id", "", TEXT),
        ("batch", "", TEXT),
    ],
    "gold.pca": [
        ("pca_id", "", TEXT),
        ("model_id", "", TEXT),
        ("k", 0, "greater_than_or_equal_to(1)"),
        ("k", FEATURES + 1, f"less_than_or_equal_to({FEATURES})"),
        ("k", 1, "eigenvalues: reach_variance_target"),
        ("k", 1, "components: k_rows_of_1280"),
        ("variance_target", 0.0, "greater_than(0)"),
        ("variance_target", 1.1, "less_than_or_equal_to(1)"),
        ("fitted_rows", 0, "greater_than_or_equal_to(1)"),
        ("eigenvalues", [6.0, 4.0], "holds_1280_numbers"),
        ("eigenvalues", [INFINITY] + [0.0] * (FEATURES - 1), "finite"),
        ("eigenvalues", [4.0, 6.0] + [0.0] * (FEATURES - 2), "falling"),
        ("eigenvalues", [6.0, 4.0] + [-1.0] * (FEATURES - 2), "falling"),
        ("mean", [0.5], "holds_1280_numbers"),
        ("mean", [NAN] * FEATURES, "finite"),
        ("components", [UNIT, UNIT[:-1]], "k_rows_of_1280"),
        ("components", [UNIT, [None, *UNIT[1:]]], "finite_rows"),
        ("components", [UNIT, [2.0, *UNIT[1:]]], "unit_rows"),
    ],
    "gold.fruit_vectors": [
        ("image_id", "", "str_length(64)"),
        ("image_id", "G" * 64, HEX),
        ("vector", [1.0], "holds_2_numbers"),
        ("vector", [1.0, NAN], "finite"),
        ("pca_id", "", TEXT),
        ("label", " ", TEXT),
    ],
    "gold.pca_variance": [
        ("component", 0, "greater_than_or_equal_to(1)"),
        ("component", FEATURES + 1, f"less_than_or_equal_to({FEATURES})"),
        ("eigenvalue", INFINITY, UP_TO_LARGEST),
        ("ratio", 1.1, SHARE),
        ("cumulative", -0.1, SHARE),
        ("pca_id", "", TEXT),
    ],
    "gold.label_summary": [
        ("label", " ", TEXT),
        ("photos", 0, "greater_than_or_equal_to(1)"),
        ("share", 0.0, "greater_than(0)"),
        ("share", 1.1, "less_than_or_equal_to(1)"),
        ("spread", -0.1, UP_TO_LARGEST),
        ("centroid", [1.0, 2.0, 3.0], "holds_2_numbers"),
        ("centroid", [1.0, INFINITY], "finite"),
        ("pca_id", "", TEXT),
    ],
    "gold.label_similarity": [
        ("label", " ", TEXT),
        ("other_label", "", TEXT),
        ("other_label", "Kiwi", "differs_from_label"),
        ("cosine", 1.1, "in_range(-1.000000001, 1.000000001)"),
        ("cosine", NAN, "in_range(-1.000000001, 1.000000001)"),
        ("rank", 0, "greater_than_or_equal_to(1)"),
        ("pca_id", "", TEXT),
    ],
    "gold.label_suspects": [
        ("image_id", sha(1)[:63], "str_length(64)"),
        ("image_id", "G" * 64, HEX),
        ("label", " ", TEXT),
        ("distance", -1.0, UP_TO_LARGEST),
        ("nearest_label", "", TEXT),
        ("nearest_label", "Kiwi", "differs_from_label"),
        ("nearest_distance", INFINITY, UP_TO_LARGEST),
        ("pca_id", "", TEXT),
    ],
}


def rules(table: str) -> Iterator[tuple[str, str]]:
    """Every check of the table's contract, by column."""
    for name, column in schema_of(table, PCA.k).columns.items():
        if not column.nullable:
            yield name, "not_nullable"
        for check in column.checks:
            yield name, check.error or check.name


def key_of(table: Table, values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={'null' if values[name] is None else values[name]}" for name in table.key)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_rule_is_broken_once_and_named_with_its_row(name: str, spark: SparkSession) -> None:
    table = TABLES[name]
    nulls = [(column, None, "not_nullable") for column, check in rules(name) if check == "not_nullable"]
    stated = [*BROKEN[name], *nulls]
    rows = [row(name, **{column: value}) for column, value, _ in stated]
    count, found = violations(table, frame(spark, name, row(name), *rows), PCA.k)
    assert count == len(stated) + 1
    broken = {(v.column, v.check): v for v in found}
    assert broken.keys() == {*rules(name)}, "a rule that no row breaks, or a row that breaks no rule"
    for (column, _, check), values in zip(stated, rows, strict=True):
        column, check = check.split(": ") if ": " in check else (column, check)
        (violation,) = [v for (c, rule), v in broken.items() if c == column and rule.startswith(check)]
        assert 1 <= violation.rows < count, "the valid row breaks nothing"
        assert len(violation.examples) == min(violation.rows, 5)
        assert key_of(table, values) in violation.examples or violation.rows > 5


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_contract_has_the_columns_and_types_of_its_table(name: str) -> None:
    assert set(CONTRACTS) == set(TABLES)
    inner = {"float": pl.Float32(), "double": pl.Float64()}
    types = {
        "string": pl.String(),
        "binary": pl.Binary(),
        "boolean": pl.Boolean(),
        "int": pl.Int32(),
        "bigint": pl.Int64(),
        "timestamp": pl.Datetime("us", "UTC"),
        "array<float>": pl.List(inner["float"]),
        "array<double>": pl.List(inner["double"]),
        "array<array<double>>": pl.List(pl.List(inner["double"])),
    } | inner
    found = {column: c.dtype.type for column, c in schema_of(name, None).columns.items()}
    assert found == {c.name: types[c.type] for c in TABLES[name].columns}


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Suites:
    return Suites(str(tmp_path_factory.mktemp("contracts")), "run")


SILVER = TABLES["silver.image_features"]


def features(name: object, **changes: Any) -> dict[str, Any]:
    return row(SILVER.name, image_id=sha(name), **changes)


def test_the_error_names_table_column_check_count_and_examples(spark: SparkSession, suites: Suites) -> None:
    bad = [features(i, label=" ", features=[INFINITY] * FEATURES) for i in range(9)]
    written = frame(spark, SILVER.name, features("good"), *bad)
    with pytest.raises(AuditError) as error:
        validate(Audited(SILVER, written, written, {"whole": ds.dataset(written.toArrow())}), written, suites)
    said = str(error.value)
    assert said.startswith("silver.image_features was not published: column label breaks str_contains")
    assert f"in 9 of 10 rows, for example image_id={sha(0)}, model_id=m · " in said
    assert "column features breaks finite in 9 of 10 rows" in said
    assert said.count("model_id=m") == 2 * 5, "at most five examples of each"


@pytest.mark.parametrize("limit", [200_000, 0])
def test_a_key_stands_once_in_the_whole_table(
    limit: int, spark: SparkSession, suites: Suites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expectations.audit._ONE_TASKS_ROWS", limit)
    before = frame(spark, SILVER.name, features("first"), features("second"))
    written = frame(spark, SILVER.name, features("first"), features("new"))
    whole = before.union(written)
    files = ds.dataset(whole.toArrow())
    with pytest.raises(AuditError) as error:
        validate(Audited(SILVER, written, whole, {"whole": files}, Previous(before, 2)), written, suites)
    assert "column image_id, model_id breaks unique in 1 of 2 rows" in str(error.value)
    assert f"for example image_id={sha('first')}, model_id=m" in str(error.value)


def test_keys_that_stand_more_than_once_are_counted_by_spark_and_by_arrow(spark: SparkSession) -> None:
    before = frame(spark, SILVER.name, features("first"), features("second"))
    twice = frame(spark, SILVER.name, *[features("new")] * 3)
    expected = [Violation("image_id, model_id", "unique", 2, [f"image_id={sha('new')}, model_id=m"])]
    assert repeated_keys(SILVER, twice, None) == expected
    assert repeated_keys_of_few(SILVER, ds.dataset(twice.toArrow())) == expected
    assert not repeated_keys(SILVER, before, None)
    assert not repeated_keys_of_few(SILVER, ds.dataset(before.toArrow()))


def test_only_the_tables_own_columns_are_looked_at(spark: SparkSession) -> None:
    odd = frame(spark, "gold.pca_variance", row("gold.pca_variance")).selectExpr("*", "1 AS more")
    assert violations(TABLES["gold.pca_variance"], odd, PCA.k) == (1, [])
