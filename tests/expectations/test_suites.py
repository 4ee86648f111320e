"""Suites: every expectation passes once and fails once, in pandas and in Spark alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from catalog.errors import AuditError, SettingsError
from catalog.tables import FEATURES, TABLES
from expectations.audit import validate
from expectations.check_result import CheckResult, from_json, to_json, warnings_of
from expectations.context import AuditContext, Intake, PcaInUse, Previous
from expectations.gx_results import _expected
from expectations.parameters import Audited, values
from expectations.suite_file import Expectation, parse, suites
from expectations.suites import Suites
from tests.expectations.rows import PCA, frame, row, sha

Rows = list[dict[str, Any]]

SILVER, VECTORS, SUMMARY = "silver.image_features", "gold.fruit_vectors", "gold.label_summary"


@dataclass(frozen=True)
class Case:
    """A table to publish: the rows written, the facts of the run, and the rows before it."""

    table: str
    written: Rows
    context: AuditContext
    previous: Rows | None = None
    kept: bool = False  # whether the previous rows stay
    explained: float | None = None  # share of variance explained, of each written photo

    def check(self, spark: SparkSession, to: Suites) -> list[CheckResult]:
        return to.validate(TABLES[self.table], self.audited(spark), len(self.written), len(self.whole))

    def validate(self, spark: SparkSession, to: Suites) -> Any:
        a = self.audited(spark)
        files = ds.dataset(a.whole.toArrow())
        return validate(TABLES[self.table], a.written, a.written, a.whole, files, a.previous, a.context, to)

    @property
    def whole(self) -> Rows:
        return [*(self.previous or []), *self.written] if self.kept else self.written

    def audited(self, spark: SparkSession) -> Audited:
        before = None
        if self.previous is not None:
            before = Previous(frame(spark, self.table, *self.previous), len(self.previous), PCA.pca_id)
        written, whole = frame(spark, self.table, *self.written), frame(spark, self.table, *self.whole)
        context = self.context
        if self.explained is not None:
            shares = [(r["image_id"], self.explained) for r in self.written]
            context = replace(context, explained=spark.createDataFrame(shares, "image_id string, explained double"))
        return Audited(written, whole, before, context)


def some(table: str, count: int, **changes: Any) -> Rows:
    """This many valid rows, with distinct ids."""
    return [row(table, **({"image_id": sha(i)} | changes)) for i in range(count)]


def features(count: int, scale: float = 1, **changes: Any) -> Rows:
    """Rows with norms from scale × 17 upwards, and features with these norms."""
    norms = [scale * (17 + i / 10) for i in range(count)]
    numbers = {n: [n / FEATURES**0.5] * FEATURES for n in norms}
    rows = [{"image_id": sha(i), "feature_norm": n, "features": numbers[n]} for i, n in enumerate(norms)]
    return [row(SILVER, **(values | changes)) for values in rows]


def summary(*labels: str, **changes: Any) -> Rows:
    return [row(SUMMARY, **({"label": label, "photos": 9, "share": 1 / len(labels)} | changes)) for label in labels]


def variance(rows: int, ratio: float = 1 / FEATURES, **changes: Any) -> Rows:
    shares = {"ratio": ratio, "cumulative": ratio * FEATURES}
    return [row("gold.pca_variance", component=i, **(shares | changes)) for i in range(1, rows + 1)]


def pairs(*labels: str, **changes: Any) -> Rows:
    both = [(a, b) for a in labels for b in labels if a != b]
    ranks = [1 + sum(a == x for x, _ in both[:i]) for i, (a, _) in enumerate(both)]
    return [
        row("gold.label_similarity", **({"label": a, "other_label": b, "rank": rank} | changes))
        for (a, b), rank in zip(both, ranks, strict=True)
    ]


IMAGES = [*some("bronze.images", 3), *some("bronze.images", 1, image_id=sha("fig"), label="Fig")]
INPUTS = {"silver.image_features": 9, "gold.fruit_vectors": 18, "gold.label_summary": 2}
CONTEXT = AuditContext(variance=0.9, pca=PCA, inputs=INPUTS)
BEFORE = {
    SILVER: features(3, batch="a"),
    VECTORS: [*some(VECTORS, 4), row(VECTORS, image_id=sha("fig"), label="Fig")],
    SUMMARY: summary("Kiwi", "Fig"),
}

GOOD = {
    "bronze.images": Case("bronze.images", IMAGES[3:], replace(CONTEXT, intake=Intake(1, 1)), IMAGES[:3], kept=True),
    "bronze.quarantine": Case("bronze.quarantine", [row("bronze.quarantine")], CONTEXT, []),
    SILVER: Case(SILVER, features(4), replace(CONTEXT, expected_rows=4), BEFORE[SILVER], kept=True),
    "gold.pca": Case("gold.pca", [row("gold.pca")], CONTEXT),
    VECTORS: Case(VECTORS, [row(VECTORS, image_id=sha("new"))], CONTEXT, BEFORE[VECTORS], kept=True, explained=0.82),
    "gold.pca_variance": Case("gold.pca_variance", variance(FEATURES), CONTEXT),
    SUMMARY: Case(SUMMARY, summary("Kiwi", "Fig"), CONTEXT, BEFORE[SUMMARY]),
    "gold.label_similarity": Case("gold.label_similarity", pairs("Kiwi", "Fig"), CONTEXT, pairs("Kiwi", "Fig")),
    "gold.label_suspects": Case("gold.label_suspects", [row("gold.label_suspects")], CONTEXT),
}

BAD = [
    Case("bronze.images", some("bronze.images", 2, width=40), CONTEXT, IMAGES),
    Case("bronze.images", some("bronze.images", 2, label=None), CONTEXT),
    Case("bronze.quarantine", [row("bronze.quarantine", reason=None)], CONTEXT, [row("bronze.quarantine")] * 2),
    Case("bronze.quarantine", [row("bronze.quarantine", reason="unreadable source")], CONTEXT),
    Case(SILVER, features(4)[:3], replace(CONTEXT, expected_rows=4)),
    Case(SILVER, features(5), replace(CONTEXT, expected_rows=4)),
    Case(SILVER, [*features(1, label=None), *features(1, model_id="n")], CONTEXT),
    Case(SILVER, some(SILVER, 4, feature_norm=0.0), CONTEXT, BEFORE[SILVER], kept=True),
    Case(SILVER, features(2, scale=20), CONTEXT, BEFORE[SILVER], kept=True),
    Case("gold.pca", [row("gold.pca", variance_target=0.8, fitted_rows=10), row("gold.pca", fitted_rows=2)], CONTEXT),
    Case(VECTORS, [], CONTEXT),
    Case(VECTORS, some(VECTORS, 10, pca_id="old"), CONTEXT, BEFORE[VECTORS]),
    Case(VECTORS, some(VECTORS, 3), CONTEXT, BEFORE[VECTORS]),
    Case("gold.pca_variance", variance(FEATURES - 1, 0.8 / FEATURES, pca_id="old"), CONTEXT),
    Case(SUMMARY, [], CONTEXT),
    Case(SUMMARY, summary("Kiwi", photos=4, share=0.6, pca_id="old"), CONTEXT, BEFORE[SUMMARY]),
    Case(SUMMARY, summary("Kiwi", "Fig", centroid=[3.0, -2.0]), CONTEXT, BEFORE[SUMMARY]),
    Case("gold.label_similarity", [], CONTEXT, pairs("Kiwi", "Fig")),
    Case("gold.label_similarity", pairs("a", "b", "c", rank=1, cosine=0.9999, pca_id="old"), CONTEXT),
    Case("gold.label_suspects", some("gold.label_suspects", 10, nearest_distance=4.0, pca_id="old"), CONTEXT),
    Case("bronze.images", IMAGES[3:], replace(CONTEXT, intake=Intake(9, 2)), IMAGES[:3], kept=True),
    Case(VECTORS, some(VECTORS, 1), CONTEXT, BEFORE[VECTORS], kept=True, explained=0.8),
]


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
            BAD[4],
            "silver.image_features was not published: expect_table_row_count_to_be_between found 3, expected 4.",
        ),
        (
            Case(SILVER, features(2, scale=20), CONTEXT),
            "column feature_norm: expect_column_max_to_be_between found 342, expected ≤ 230",
        ),
        (
            BAD[10],
            "fruit_vectors was not published: expect_table_row_count_to_be_between found 0, expected 1 to 9",
        ),
        (
            BAD[12],
            "column label: expect_column_distinct_values_to_contain_set found 1 missing, expected value set Fig, Kiwi, "
            "for example Fig",
        ),
        (BAD[14], "gold.label_summary was not published: expect_table_row_count_to_be_between found 0, expected ≥ 1"),
        (BAD[17], "gold.label_similarity was not published: expect_table_row_count_to_be_between found 0, expected 2"),
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
    case = Case(SUMMARY, summary("Kiwi", "Fig"), replace(CONTEXT, pca=PcaInUse(pca_id, 2)), BEFORE[SUMMARY])
    compared = [r for r in case.check(spark, to) if r.column == "centroid_shift"]
    assert len(compared) == (pca_id == "p")


def test_what_is_erased_may_be_missing(spark: SparkSession, to: Suites) -> None:
    erasing = replace(CONTEXT, erasing=True, inputs={**INPUTS, "gold.fruit_vectors": 9, "gold.label_summary": 0})
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
    stated = suites()[SILVER].expectations
    assert len(stated) >= 6
    assert len({e.type for e in stated if e.columns}) >= 4


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
