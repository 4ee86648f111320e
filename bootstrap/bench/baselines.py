"""What one would do without Fruitlake, with Spark's own means and Spark's own settings. Each returns seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pyspark.ml.feature import PCA
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, pandas_udf  # type: ignore[attr-defined]

_PHOTOS_A_TASK = 125  # as repartition(24) gave the original 3,000


def plain_session(spark: SparkSession) -> SparkSession:
    """A session on the same JVM in which every SQL setting of ours is Spark's default again."""
    plain = spark.newSession()
    for key, _ in spark.sparkContext.getConf().getAll():
        if key.startswith("spark.sql.") and plain.conf.isModifiable(key):
            plain.conf.unset(key)
    return plain


def notebook(spark: SparkSession, photos: str, count: int, weights: Path, target: str) -> float:
    """The original notebook: binaryFile, repartition, an iterator pandas_udf, Keras predict a batch."""

    def featurize(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        import io
        import os

        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import numpy as np
        from keras.applications.mobilenet_v2 import preprocess_input
        from PIL import Image

        from transforms.keras_export import load_keras

        model = load_keras(weights)

        def pixels(content: bytes) -> np.ndarray:
            image = Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224))
            return np.asarray(preprocess_input(np.asarray(image, dtype=np.float32)))

        for batch in batches:
            features = model.predict(np.stack([pixels(c) for c in batch]), verbose=0)
            yield pd.Series([row.tolist() for row in features])

    udf = pandas_udf(featurize, "array<float>")
    started = time.monotonic()
    images = plain_session(spark).read.format("binaryFile").option("recursiveFileLookup", "true").load(photos)
    rows = images.repartition(max(1, count // _PHOTOS_A_TASK)).select("path", udf("content").alias("features"))
    rows.write.mode("overwrite").parquet(target)
    return time.monotonic() - started


def spark_pca(features: DataFrame, k: int) -> float:
    """Spark's own PCA at a k it has to be told."""
    vectors = features.select(array_to_vector(col("features")).alias("features")).cache()
    vectors.count()
    started = time.monotonic()
    PCA(k=k, inputCol="features", outputCol="pca").fit(vectors)
    seconds = time.monotonic() - started
    vectors.unpersist()
    return seconds


def binary_file_copy(spark: SparkSession, photos: str, target: str) -> float:
    """Spark's binaryFile source, written as Parquet: no check, no hash, no duplicates found."""
    started = time.monotonic()
    images = plain_session(spark).read.format("binaryFile").option("recursiveFileLookup", "true").load(photos)
    images.write.mode("overwrite").parquet(target)
    return time.monotonic() - started
