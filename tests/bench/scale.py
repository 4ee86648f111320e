"""Measure how the PCA and gold scale to millions of photos, on synthetic features.

spark.range ──NumPy per Arrow batch──▶ image_id, label, features (1280): a few strong directions and noise
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from catalog.tables import FEATURES
from tests.bench.memory import PeakMemory
from tests.bench.report import Report
from transforms.arrow import from_matrix
from transforms.pca import VariancePCA

LABELS = 131  # as many varieties as the full Fruits-360 had
_DIRECTIONS = 200
_FIRST_ROWS = 1000  # to warm up the JVM; not measured
_ROWS_PER_TASK = 20_000  # similar to tasks over silver's files after many batches


class Timed(NamedTuple):
    fit: float  # seconds
    gold: float  # seconds, projection and one file per label
    k: int


def measure(spark: SparkSession, rows: int, variance: float, work: Path) -> Report:
    """Time the PCA and gold on `rows` synthetic feature vectors, compared with a tenth of them."""
    report = Report(rows, "made-up feature vectors")
    fit_and_project(spark, _FIRST_ROWS, variance, str(work / "first"))
    small = fit_and_project(spark, rows // 10, variance, str(work / "tenth"))
    with PeakMemory() as memory:
        large = fit_and_project(spark, rows, variance, str(work / "vectors"))
    for name, seconds, tenth in (("PCA fit", large.fit, small.fit), ("gold", large.gold, small.gold)):
        report.add(name, f"{seconds:,.1f} s for k = {large.k}", seconds / 10 / tenth, "x a row at a tenth", 1.1, True)
    report.add_memory(memory)
    return report


def fit_and_project(spark: SparkSession, rows: int, variance: float, target: str) -> Timed:
    """Fit the PCA on synthetic features and write their vectors by label, as gold does."""
    silver = features(spark, rows)
    started = time.monotonic()
    model = VariancePCA(variance=variance).fit(silver)
    fitted = time.monotonic()
    vectors = model.transform(silver).select("image_id", "vector", "label")
    vectors.repartition("label").write.partitionBy("label").parquet(target)
    return Timed(fitted - started, time.monotonic() - fitted, model.k)


def features(spark: SparkSession, rows: int) -> DataFrame:
    """Synthetic features, computed on the fly; every computation gives the same rows."""
    tasks = max(spark.sparkContext.defaultParallelism, rows // _ROWS_PER_TASK)
    schema = "image_id string, label string, features array<float>"
    return spark.range(0, rows, numPartitions=tasks).mapInArrow(_make, schema)


def _make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    strength = (1 / np.arange(1, _DIRECTIONS + 1)).astype(np.float32)
    directions = np.random.default_rng(0).standard_normal((_DIRECTIONS, FEATURES), np.float32) * strength[:, None]
    for batch in batches:
        ids = batch["id"].to_numpy()
        if not len(ids):
            continue
        rng = np.random.default_rng(int(ids[0]))
        known = rng.standard_normal((len(ids), _DIRECTIONS), np.float32) @ directions
        noise = rng.standard_normal((len(ids), FEATURES), np.float32)
        columns = [
            pa.array([f"{i:064x}" for i in ids]),
            pa.array([f"Variety {i % LABELS}" for i in ids]),
            from_matrix(known + 0.02 * noise),
        ]
        yield pa.RecordBatch.from_arrays(columns, ["image_id", "label", "features"])
