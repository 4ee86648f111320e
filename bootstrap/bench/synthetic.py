"""Silver rows made from nothing, to see what millions of photos do to the PCA and to gold.

spark.range ──NumPy per Arrow batch──▶ image_id, label, features (1280): a few strong directions and noise
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from catalog.tables import FEATURES
from transforms.pca import VariancePCA, from_matrix

LABELS = 131  # as many varieties as the whole of Fruits-360 had
_DIRECTIONS = 200
_ROWS_A_TASK = 20_000  # as silver's files of many batches would give


class Timed(NamedTuple):
    fit: float  # seconds
    gold: float  # seconds, projection and one file a label
    k: int


def fit_and_project(spark: SparkSession, rows: int, variance: float, target: str) -> Timed:
    """Fit the PCA on made-up features and write their vectors by label, as gold does."""
    silver = features(spark, rows)
    started = time.monotonic()
    model = VariancePCA(variance=variance).fit(silver)
    fitted = time.monotonic()
    vectors = model.transform(silver).select("image_id", "vector", "label")
    vectors.repartition("label").write.partitionBy("label").parquet(target)
    return Timed(fitted - started, time.monotonic() - fitted, model.k)


def features(spark: SparkSession, rows: int) -> DataFrame:
    """The same rows every time they are computed; nothing is stored."""
    tasks = max(spark.sparkContext.defaultParallelism, rows // _ROWS_A_TASK)
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
