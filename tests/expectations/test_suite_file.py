"""expectations/suites.yml: what is added to it runs and is shown, and what is wrong in it is named."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from catalog.errors import SettingsError
from expectations.suite_file import parse
from expectations.suites import Suites
from tests.expectations.cases import GOOD, SILVER


@pytest.fixture
def to(tmp_path: Path) -> Suites:
    return Suites(str(tmp_path), "run")


MORE = """
    - type: expect_column_stdev_to_be_between
      kwargs: {column: feature_norm, max_value: 0.01}
      severity: warning
      notes: A reason that a reader of the Data Docs sees.
"""


def test_an_expectation_added_to_the_file_is_run_and_shown(
    spark: SparkSession, to: Suites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "expectations" / "suites.yml").read_text(encoding="utf-8")
    added = parse(text.replace("\ngold.pca:", f"{MORE}\ngold.pca:"))
    monkeypatch.setattr("expectations.suites.suites", lambda: added)
    found = {r.check: r for r in GOOD[SILVER].check(spark, to)}
    assert not found["expect_column_stdev_to_be_between"].passed
    assert found["expect_column_stdev_to_be_between"].expected == "≤ 0.01"
    to.write_docs()
    (page,) = (tmp_path / "reports/data_docs").glob("validations/silver/image_features/**/*.html")
    assert "standard deviation" in page.read_text(encoding="utf-8")
    (suite,) = (tmp_path / "reports/data_docs").glob("expectations/silver/image_features.html")
    assert "A reason that a reader of the Data Docs sees." in suite.read_text(encoding="utf-8")


def test_the_data_docs_show_every_suite_that_was_run(spark: SparkSession, to: Suites, tmp_path: Path) -> None:
    to.write_docs()
    assert list(tmp_path.iterdir()) == [], "nothing was validated, so nothing is written"
    for table in (SILVER, "gold.pca"):
        GOOD[table].check(spark, to)
    to.write_docs()
    docs = tmp_path / "reports" / "data_docs"
    index = (docs / "index.html").read_text(encoding="utf-8")
    assert SILVER in index
    assert "gold.pca" in index
    (page,) = docs.glob("validations/silver/image_features/**/*.html")
    read = page.read_text(encoding="utf-8")
    for said in ("must be unique", "must never be null", "minimum value", "maximum value", "mean must be", "rows"):
        assert said in read


def entry(**changes: Any) -> str:
    good = {"type": "expect_column_values_to_be_unique", "kwargs": "{column: k}", "severity": "warning", "notes": "why"}
    fields = ", ".join(f"{name}: {value}" for name, value in (good | changes).items() if value)
    return f"gold.pca: {{rows: whole, expectations: [{{{fields}}}]}}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (entry(notes=""), "expect_column_values_to_be_unique: give type, kwargs, severity and notes"),
        (entry(more="1"), "give type, kwargs, severity and notes"),
        (entry(severity="error"), "severity is error, not one of critical, warning"),
        (entry(kwargs="{column: eigenvalues}"), "eigenvalues is not one of the columns fitted_at, "),
        (entry(kwargs="{column: k, min_value: {$PARAMETER: last_week * 2}}"), "there is no \\$PARAMETER last_week"),
        ("gold.pcas: {}", "gold.pcas: there is no such table"),
        ("gold.pca: {rows: some, expectations: []}", "give rows, one of written and whole"),
    ],
)
def test_a_malformed_entry_is_named(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=rf"suites\.yml, .*{says}"):
        parse(text)
    assert parse(entry())


@pytest.mark.parametrize(
    "wrong", [{"type": "expect_miracles"}, {"kwargs": "{column: k, most: 5}"}, {"kwargs": "{}"}], ids=str
)
def test_what_great_expectations_does_not_know_is_named(
    wrong: dict[str, str], spark: SparkSession, to: Suites, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = parse(entry(**wrong))
    monkeypatch.setattr("expectations.suites.suites", lambda: odd)
    with pytest.raises(SettingsError, match=r"suites\.yml, gold\.pca, expect_"):
        GOOD["gold.pca"].check(spark, to)


def test_an_expectation_that_cannot_be_evaluated_is_not_passed(
    spark: SparkSession, to: Suites, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = parse(entry(type="expect_column_mean_to_be_between", kwargs="{column: model_id, min_value: 1}"))
    monkeypatch.setattr("expectations.suites.suites", lambda: odd)
    (found,) = GOOD["gold.pca"].check(spark, to)
    assert not found.passed
    assert str(found.observed).startswith("no answer (")
