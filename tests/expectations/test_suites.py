"""Suites: every expectation passes once and fails once, in pandas and in Spark alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from catalog.errors import AuditError
from catalog.tables import TABLES
from expectations.audited import PcaInUse
from expectations.check_result import CheckResult, from_json, to_json, warnings_of
from expectations.gx_results import _expected
from expectations.parameters import values
from expectations.suite_file import Expectation, suites
from expectations.suites import Suites
from tests.expectations.cases import (
    BAD,
    BEFORE,
    CONTEXT,
    GOOD,
    INPUTS,
    SILVER,
    SUMMARY,
    VECTORS,
    Case,
    features,
    pairs,
    summary,
)


@pytest.fixture
def to(tmp_path: Path) -> Suites:
    return Suites(str(tmp_path), "run")


def stated(result: CheckResult) -> tuple[str, str | None]:
    return result.check, result.column


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_good_table_meets_every_expectation(table: str, spark: SparkSession, to: Suites) -> None:
    found = GOOD[table].check(spark, to)
    assert [str(r) for r in found if not r.passed] == []
    assert len(found) == len(suites()[table].expectations), "every expectation must be run"


def test_every_expectation_is_missed_once_and_stops_the_publish_or_warns(
    spark: SparkSession, to: Suites, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert suites().keys() == TABLES.keys(), "every table has a suite, at least for its row count"
    found: list[CheckResult] = []
    check = to.validate

    def check_and_keep(*arguments: Any) -> list[CheckResult]:
        found[:] = check(*arguments)
        return found

    monkeypatch.setattr(to, "validate", check_and_keep)
    monkeypatch.setattr("expectations.audit.violations", lambda table, scan, k: (scan.count(), []))
    monkeypatch.setattr("expectations.audit.repeated_keys_of_few", lambda *arguments: [])
    never = {(table, e) for table, suite in suites().items() for e in range(len(suite.expectations))}
    for case in BAD:
        found.clear()
        try:
            said = "; ".join(map(str, case.validate(spark, to).warnings))
        except AuditError as error:
            said = str(error)
        missed = [r for r in found if not r.passed]
        assert ("was not published" in said) == any(r.severity == "critical" for r in missed)
        for r in missed:
            assert not str(r.observed).startswith("no answer")
            assert bool(r.examples) == (" of " in str(r.observed) or "missing" in str(r.observed)), r
            assert str(r) in said or r.severity == "warning"
        suite = suites()[case.table]
        failed = {(r.check, r.column, r.severity, *sorted(r.expected.split(", "))) for r in missed}
        known = values(suite.parameters, case.audited(spark))
        for number, e in enumerate(suite.expectations):
            if e.parameters <= known.keys() and _stated(e, known) in failed:
                never.discard((case.table, number))
    assert not never, "expectations that no case fails"


def _stated(e: Expectation, known: dict[str, Any]) -> tuple[str | None, ...]:
    """An expectation in the form of its result."""
    kwargs = {k: eval(v["$PARAMETER"], {}, known) if isinstance(v, dict) else v for k, v in e.kwargs.items()}
    if e.type.startswith("expect_table_row_count"):
        kwargs = {k: int(v) for k, v in kwargs.items()}  # as Great Expectations counts rows
    single = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return (
        e.type,
        ", ".join(single or kwargs.get("column_list", [])) or None,
        e.severity,
        *sorted(_expected(kwargs).split(", ")),
    )


@pytest.mark.parametrize("case", [GOOD[SILVER], BAD[7], BAD[11], BAD[15]], ids=lambda c: c.table)
def test_spark_finds_what_pandas_finds(
    case: Case, spark: SparkSession, to: Suites, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pandas = case.check(spark, to)
    monkeypatch.setattr("expectations.suites.COLLECTED_ROWS", -1)
    in_spark = case.check(spark, to)
    for here, there in zip(in_spark, in_pandas, strict=True):
        assert (stated(here), here.passed, here.expected) == (stated(there), there.passed, there.expected)
        same = pytest.approx(there.observed, rel=1e-6) if isinstance(there.observed, float | int) else there.observed
        assert here.observed == same


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (
            Case(SILVER, features(2, scale=20), CONTEXT),
            "column feature_norm: expect_column_max_to_be_between found 342, expected ≤ 230",
        ),
        (
            BAD[10],
            "fruit_vectors was not published: expect_table_row_count_to_be_between found 0, expected 1 to 9",
        ),
    ],
    ids=lambda value: value.table if isinstance(value, Case) else "",
)
def test_what_is_critical_stops_the_publish(case: Case, says: str, spark: SparkSession, to: Suites) -> None:
    with pytest.raises(AuditError) as error:
        case.validate(spark, to)
    assert says in str(error.value)
    assert error.value.args[0].endswith("the limits are in expectations/suites.yml")


def test_a_warning_is_stored_without_the_photos_it_names(spark: SparkSession, to: Suites) -> None:
    written = [*summary("Kiwi", photos=15), *summary("Fig", photos=3, centroid=[5.0, -2.0])]
    written = [r | {"share": 0.5} for r in written]
    result = Case(SUMMARY, written, CONTEXT, BEFORE[SUMMARY]).validate(spark, to)
    assert result.rows == 2
    few, shift = result.warnings
    assert (few.check, few.column, few.observed) == ("expect_column_values_to_be_between", "photos", "1 of 2 rows")
    assert "label=Fig" in few.examples[0]
    assert str(shift).startswith(
        "column centroid_shift: expect_column_values_to_be_between found 1 of 2 rows, expected ≤ 0.5, for example "
    )
    stored = result.properties()
    assert (stored["audit_result"], stored["pca_id"]) == ("warned", "p")
    assert [w.check for w in warnings_of(stored)] == [few.check, shift.check]
    assert "label=Fig" not in stored["audit"]
    assert from_json(to_json(result.checks)) == [replace(c, examples=()) for c in result.checks]


@pytest.mark.parametrize("pca_id", ["p", "q"])
def test_centroids_in_the_space_of_another_pca_are_not_compared(pca_id: str, spark: SparkSession, to: Suites) -> None:
    case = Case(SUMMARY, summary("Kiwi", "Fig"), CONTEXT | {"pca": PcaInUse(pca_id, 2)}, BEFORE[SUMMARY])
    compared = [r for r in case.check(spark, to) if r.column == "centroid_shift"]
    assert len(compared) == (pca_id == "p")


def test_what_is_erased_may_be_missing(spark: SparkSession, to: Suites) -> None:
    erasing = CONTEXT | {"erasing": True, "inputs": INPUTS | {"gold.fruit_vectors": 9, "gold.label_summary": 0}}
    for case in (
        Case(VECTORS, [], erasing, BEFORE[VECTORS]),
        Case(SILVER, [], erasing, BEFORE[SILVER], kept=True),
        Case(SUMMARY, summary("Kiwi"), erasing, BEFORE[SUMMARY]),
        Case("gold.label_similarity", [], erasing, pairs("Kiwi", "Fig")),
    ):
        assert not [r for r in case.validate(spark, to).warnings if r.severity == "critical"]


def test_the_norm_is_compared_with_the_same_models_photos(spark: SparkSession, to: Suites) -> None:
    other = features(3, scale=9, model_id="other")
    for before, compared in ((other, 0), ([*other, *BEFORE[SILVER]], 1)):
        found = [r for r in Case(SILVER, features(2), CONTEXT, before).check(spark, to) if "mean" in r.check]
        assert [r.passed for r in found] == [True] * compared
