"""Suites: every threshold has a number that passes and one that does not, and Great Expectations tells them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from catalog.errors import SettingsError
from catalog.tables import FEATURES
from expectations.facts import Facts, Intake, PcaInUse
from expectations.statistics import STATISTICS, Numbers, Previous
from expectations.suites import Suites
from expectations.thresholds import Threshold, parse, thresholds
from tests.photos import encode, photo, picture

FACTS = Facts(variance=0.9, max_quarantine_share=0.05)


def bound(value: Any) -> float | None:
    return FACTS.limits()[value["$PARAMETER"]] if isinstance(value, dict) else value


def good(t: Threshold) -> float:
    least, most = bound(t.min), bound(t.max)
    return least if least is not None else most if most is not None else 0.0


def bad(t: Threshold) -> float:
    least, most = bound(t.min), bound(t.max)
    return most + 0.001 if most is not None else (least or 0) - 0.001


@pytest.fixture(scope="module")
def suites(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Suites:
    return Suites(spark, str(tmp_path_factory.mktemp("judged")))


@pytest.mark.parametrize("table", sorted(thresholds()))
def test_numbers_at_the_limit_pass_and_beyond_it_fail(table: str, suites: Suites) -> None:
    stated = thresholds()[table]
    passing = suites.judge(table, {t.name: good(t) for t in stated}, FACTS)
    failing = suites.judge(table, {t.name: bad(t) for t in stated}, FACTS)
    assert [(o.check, o.severity, o.passed) for o in passing] == [(t.name, t.severity, True) for t in stated]
    assert [(o.check, o.severity, o.passed) for o in failing] == [(t.name, t.severity, False) for t in stated]


def test_a_number_without_a_meaning_is_not_judged(suites: Suites) -> None:
    numbers: Numbers = {t.name: None for t in thresholds()["gold.label_summary"]}
    assert suites.judge("gold.label_summary", numbers, FACTS) == []
    (outcome,) = suites.judge("gold.label_summary", numbers | {"centroid_drift": 0.25}, FACTS)
    assert (outcome.check, outcome.observed, outcome.expected) == ("centroid_drift", 0.25, "≤ 0.5")


def test_the_limits_of_the_run_count(suites: Suites) -> None:
    numbers: Numbers = {"rows": 1, "explained_variance": 0.92}
    for target, passes in ((0.9, True), (0.95, False)):
        outcomes = suites.judge("gold.pca", numbers, Facts(variance=target))
        assert [(o.passed, o.expected) for o in outcomes if o.check == "explained_variance"] == [
            (passes, f"≥ {target}")
        ]


def test_the_data_docs_show_every_suite_that_was_judged(spark: SparkSession, tmp_path: Path) -> None:
    suites = Suites(spark, str(tmp_path))
    suites.write_docs()
    assert list(tmp_path.iterdir()) == [], "nothing judged, nothing written"
    suites.judge("gold.pca", {"rows": 1, "explained_variance": 0.92}, FACTS)
    suites.write_docs()
    docs = tmp_path / "reports" / "data_docs"
    assert "gold.pca" in (docs / "index.html").read_text()
    assert len(list(docs.glob("validations/gold/pca/**/*.html"))) == 1


def statistics(spark: SparkSession) -> dict[str, Numbers]:
    """Each table's numbers for a few rows and a previous snapshot."""
    bare, rich = photo(), encode(picture(), comment=b"from Ada")
    photos = spark.createDataFrame(
        [("Kiwi", 40, 50, bare), ("Kiwi", 60, 70, rich), ("Fig", 32, 99, bare)],
        "label string, width int, height int, content binary",
    )
    features = spark.createDataFrame([(10.0, "m"), (14.0, "m")], "feature_norm float, model_id string")
    eigenvalues = [90.0, 5.0, 5.0] + [0.0] * (FEATURES - 3)
    pca = spark.createDataFrame([(2, eigenvalues)], "k int, eigenvalues array<double>")
    vectors = spark.createDataFrame([("Kiwi", "p"), ("Kiwi", "p")], "label string, pca_id string")
    columns = "label string, share double, spread double, centroid array<double>"
    now = spark.createDataFrame([("Kiwi", 0.75, 2.0, [3.0, 4.0]), ("Fig", 0.25, 0.0, [9.0, 9.0])], columns)
    before = spark.createDataFrame([("Kiwi", 0.75, 2.0, [0.0, 0.0]), ("Fig", 0.25, 0.0, [0.0, 0.0])], columns)
    facts = Facts(intake=Intake(20, 5, 10, 2), expected_rows=4, pca=PcaInUse("p", 2), explained=0.7)
    other = spark.createDataFrame([("Fig", "p")], "label string, pca_id string").union(vectors)
    return {
        "bronze.images": STATISTICS["bronze.images"](photos, 3, Previous(photos, 3), facts),
        "silver.image_features": STATISTICS["silver.image_features"](
            features, 2, Previous(features.selectExpr("feature_norm / 2 AS feature_norm", "model_id"), 2), facts
        ),
        "gold.pca": STATISTICS["gold.pca"](pca, 1, None, facts),
        "gold.fruit_vectors": STATISTICS["gold.fruit_vectors"](vectors, 2, Previous(other, 3), facts),
        "gold.label_summary": STATISTICS["gold.label_summary"](now, 2, Previous(before, 2, "p"), facts),
    }


def test_the_numbers_are_right_and_are_those_of_the_thresholds(spark: SparkSession) -> None:
    found = statistics(spark)
    assert found == {
        "bronze.images": {
            "quarantined_share": 0.25,
            "duplicate_share": 0.5,
            "labels": 2,
            "fewest_photos_of_a_label": 2,
            "label_imbalance": 2,
            "smallest_side": 32,
            "largest_photo": 4200,
            "photos_with_metadata": 1,
        },
        "silver.image_features": {
            "rows_against_photos": 0.5,
            "smallest_norm": 10,
            "largest_norm": 14,
            "mean_norm_drift": 1,
        },
        "gold.pca": {"rows": 1, "explained_variance": 0.95},
        "gold.fruit_vectors": {
            "rows_against_previous": pytest.approx(2 / 3),
            "labels_lost": 1,
            "explained_of_new_photos": 0.7,
            "pcas": 1,
        },
        "gold.label_summary": {"labels_against_previous": 1, "largest_label_share": 0.75, "centroid_drift": 2.5},
    }
    assert {table: set(numbers) for table, numbers in found.items()} == {
        table: {t.name for t in stated} for table, stated in thresholds().items()
    }


def test_centroids_in_the_space_of_another_pca_are_not_compared(spark: SparkSession) -> None:
    columns = "label string, share double, spread double, centroid array<double>"
    rows = spark.createDataFrame([("Kiwi", 1.0, 2.0, [3.0])], columns)
    numbers = STATISTICS["gold.label_summary"](rows, 1, Previous(rows, 1, "old"), Facts(pca=PcaInUse("new", 1)))
    assert numbers["centroid_drift"] is None


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{says: x, severity: error}", "min or max"),
        ("{says: x, severity: fatal, max: 1}", "error, warning"),
        ("{severity: error, max: 1}", "give says"),
        ("{says: x, severity: error, most: 1, max: 1}", "min or max"),
    ],
)
def test_a_malformed_threshold_is_named(entry: str, says: str) -> None:
    with pytest.raises(SettingsError, match=rf"gold\.pca, rows: .*{says}"):
        parse(f"gold.pca: {{rows: {entry}}}")
