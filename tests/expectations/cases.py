"""Tables to publish, good and bad, with the facts of their runs: every expectation passes once and fails once."""

from dataclasses import dataclass
from typing import Any

import pyarrow.dataset as ds
from pyspark.sql import SparkSession

from catalog.tables import FEATURES, TABLES
from expectations.audit import validate
from expectations.audited import Audited, Previous
from expectations.check_result import CheckResult
from expectations.suites import Suites
from tests.expectations.rows import PCA, frame, row, sha

Rows = list[dict[str, Any]]
SILVER, VECTORS, SUMMARY = "silver.image_features", "gold.fruit_vectors", "gold.label_summary"


@dataclass(frozen=True)
class Case:
    """A table to publish: the rows written, the facts of the run, as `Audited` has them, and the rows before it."""

    table: str
    written: Rows
    context: dict[str, Any]
    previous: Rows | None = None
    kept: bool = False  # whether the previous rows stay
    explained: float | None = None  # share of variance explained, of each written photo

    def check(self, spark: SparkSession, to: Suites) -> list[CheckResult]:
        return to.validate(self.audited(spark), len(self.written), len(self.whole))

    def validate(self, spark: SparkSession, to: Suites) -> Any:
        audited = self.audited(spark)
        return validate(audited, audited.written, to)

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
            context = context | {"explained": spark.createDataFrame(shares, "image_id string, explained double")}
        files = {"whole": ds.dataset(whole.toArrow())}
        return Audited(TABLES[self.table], written, whole, files, before, **context)


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
CONTEXT: dict[str, Any] = {"variance": 0.9, "pca": PCA, "inputs": INPUTS}
BEFORE = {
    SILVER: features(3, batch="a"),
    VECTORS: [*some(VECTORS, 4), row(VECTORS, image_id=sha("fig"), label="Fig")],
    SUMMARY: summary("Kiwi", "Fig"),
}

GOOD = {
    "bronze.images": Case(
        "bronze.images", IMAGES[3:], CONTEXT | {"new_files": 1, "new_photos": 1}, IMAGES[:3], kept=True
    ),
    "bronze.quarantine": Case("bronze.quarantine", [row("bronze.quarantine")], CONTEXT, []),
    SILVER: Case(SILVER, features(4), CONTEXT | {"expected_rows": 4}, BEFORE[SILVER], kept=True),
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
    Case(SILVER, features(4)[:3], CONTEXT | {"expected_rows": 4}),
    Case(SILVER, features(5), CONTEXT | {"expected_rows": 4}),
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
    Case("bronze.images", IMAGES[3:], CONTEXT | {"new_files": 9, "new_photos": 2}, IMAGES[:3], kept=True),
    Case(VECTORS, some(VECTORS, 1), CONTEXT, BEFORE[VECTORS], kept=True, explained=0.8),
]
