"""Contracts: what breaks one is not published, and the error says where; pandera's models are the tables'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from catalog.errors import AuditError
from catalog.tables import FEATURES, TABLES
from expectations.contracts import CONTRACTS, checks_of
from expectations.rules import MEANING, RULES
from tests.lakes import Lake
from transforms.publish import publish
from transforms.run import Run

NAN, INFINITY = float("nan"), float("inf")
GOOD = [0.5] * FEATURES
SILVER = "image_id string, label string, features array<float>, feature_norm float, model_id string"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Lake:
    """A lake whose silver holds one photo, `first`."""
    folder = tmp_path_factory.mktemp("contracts")
    lake = Lake(folder / "photos", folder / "lake", cache)
    with lake.open() as run:
        publish(run, "silver.image_features", features(run, ("first", "Kiwi", GOOD)))
    return lake


def features(run: Run, *photos: tuple[str | None, str | None, list[float]]) -> DataFrame:
    return run.spark.createDataFrame([(*photo, 17.9, "m") for photo in photos], SILVER)


def refused(lake: Lake, *photos: tuple[str | None, str | None, list[float]]) -> str:
    """What the error says when these photos' features are published beside what silver holds."""
    before = lake.catalog.current("silver.image_features")
    with lake.open() as run, pytest.raises(AuditError) as error:
        publish(run, "silver.image_features", features(run, *photos))
    assert lake.catalog.current("silver.image_features") == before
    assert len(list((lake.path / "silver/image_features").iterdir())) == 1, "what was refused must not stay"
    return str(error.value)


def test_a_nan_in_a_vector_is_refused(lake: Lake) -> None:
    said = refused(lake, ("a", "Kiwi", GOOD), ("b", "Kiwi", [*GOOD[:-1], NAN]))
    assert said.startswith("silver.image_features was not published: column features breaks all_finite")
    assert "in 1 of 2 rows, for example image_id=b, model_id=m" in said


def test_a_vector_of_1279_numbers_is_refused(lake: Lake) -> None:
    said = refused(lake, ("a", "Kiwi", GOOD[:-1]), ("b", "Kiwi", GOOD))
    assert "column features breaks length (holds 1280 numbers) in 1 of 2 rows, for example image_id=a" in said


def test_a_null_label_is_refused(lake: Lake) -> None:
    said = refused(lake, ("a", None, GOOD), ("b", "Kiwi", GOOD))
    assert "column label breaks not_null (has a value) in 1 of 2 rows, for example image_id=a" in said


def test_a_duplicate_id_is_refused(lake: Lake) -> None:
    said = refused(lake, ("a", "Kiwi", GOOD), ("a", "Kiwi", GOOD), ("b", "Kiwi", GOOD))
    assert "column (image_id, model_id) breaks key_unique in 1 of 3 rows, for example image_id=a, model_id=m" in said


def test_an_id_that_the_table_holds_already_is_refused(lake: Lake) -> None:
    said = refused(lake, ("first", "Kiwi", GOOD), ("b", "Kiwi", GOOD))
    assert "breaks key_unique in 1 of 2 rows, for example image_id=first" in said


def test_every_violation_is_named_with_at_most_five_examples(lake: Lake) -> None:
    photos = [(f"p{i}", " ", [*GOOD[:-1], INFINITY]) for i in range(9)]
    said = refused(lake, *photos)
    for column, rule in (("label", "not_blank"), ("features", "all_finite")):
        found = re.search(rf"column {column} breaks {rule} [^;]*in 9 of 9 rows, for example ([^;]*)", said)
        assert found
        assert found[1].count("image_id=") == 5


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_contract_has_the_columns_and_types_of_its_table(name: str) -> None:
    assert set(CONTRACTS) == set(TABLES)
    columns: dict[str, Any] = CONTRACTS[name].to_schema().columns
    found = [(column, str(c.dtype.type.simpleString())) for column, c in columns.items()]
    assert found == [(c.name, c.type) for c in TABLES[name].columns]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_number_and_every_key_is_checked(name: str) -> None:
    rules: dict[str, set[str]] = {}
    for check in checks_of(name, k=7):
        rules.setdefault(check.column, set()).add(check.rule)
    for column in TABLES[name].columns:
        if column.type in ("float", "double"):
            assert "finite" in rules[column.name]
        if column.type.startswith("array"):
            assert {"all_finite", "length"} <= rules[column.name]
    assert all("not_null" in rules[column] for column in TABLES[name].key)
    assert all("not_blank" in rules[c.name] for c in TABLES[name].columns if c.name == "label" and "gold" in name)


def test_the_length_of_a_gold_vector_is_the_pcas() -> None:
    assert {c.value for c in checks_of("gold.fruit_vectors", k=7) if c.rule == "length"} == {7}
    assert not [c for c in checks_of("gold.fruit_vectors", k=None) if c.rule == "length"]


@pytest.mark.parametrize(
    ("rule", "argument", "kind", "holds", "breaks"),
    [
        ("not_null", True, "string", "x", None),
        ("not_blank", True, "string", "x", "  "),
        ("finite", True, "double", -1e308, NAN),
        ("finite", True, "double", None, -INFINITY),
        ("finite", True, "float", 0.0, INFINITY),
        ("all_finite", True, "array<float>", [1.0, -2.0], [1.0, NAN]),
        ("all_finite", True, "array<float>", [], [INFINITY, 1.0]),
        ("all_finite", True, "array<double>", [0.0], [None, None]),
        ("all_finite", True, "array<double>", None, [-INFINITY, 1.0]),
        ("all_finite", True, "array<double>", [0.0], [0.0, None]),
        ("length", 2, "array<float>", [1.0, 2.0], [1.0]),
        ("at_least", 1, "int", 1, 0),
        ("at_most", 1, "double", 1.0, 1.1),
    ],
)
def test_a_rule_tells_good_from_bad(
    rule: str, argument: Any, kind: str, holds: Any, breaks: Any, spark: SparkSession
) -> None:
    rows = spark.createDataFrame([(False, holds), (True, breaks)], f"wrong boolean, x {kind}")
    judged = rows.select("wrong", F.coalesce(RULES[rule](F.col("x"), argument), F.lit(False)).alias("said")).collect()
    assert all(row.wrong == row.said for row in judged)
    assert set(MEANING) == set(RULES)
