"""Alternatives to Fruitlake on plain Spark, as installed by pip. Each function returns seconds.

They run in a separate process, whose Spark and Java have none of our settings:

    with plain_spark(master, folder) as plain:
        seconds = plain.submit(binary_file_copy, photos, target).result()
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec

import pandas as pd
from pyspark.ml.feature import PCA
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, pandas_udf  # type: ignore[attr-defined]

from catalog.errors import RunError
from transforms.spark_error import reason_of

_PHOTOS_PER_TASK = 125  # the original notebook: repartition(24) of 3,000 photos
_FIRST_ROWS = 100  # to warm up the JVM; not measured

P = ParamSpec("P")


def plain_spark(master: str, folder: Path) -> ProcessPoolExecutor:
    """A process with its own Spark session; its output and the JVM's go to a log in the folder."""
    return ProcessPoolExecutor(1, get_context("spawn"), _open, (master, str(folder)))


def _open(master: str, folder: str) -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable  # not another python3 on the PATH
    os.chdir(folder)  # Spark leaves files in its working folder
    os.dup2(os.open("plain-spark.log", os.O_WRONLY | os.O_CREAT), 2)
    SparkSession.builder.master(master).config("spark.ui.enabled", "false").getOrCreate()


def _told(measure: Callable[P, float]) -> Callable[P, float]:
    """Convert Spark's exceptions, which cannot be pickled, to a RunError with the same message."""

    @wraps(measure)
    def run(*args: P.args, **kwargs: P.kwargs) -> float:
        try:
            return measure(*args, **kwargs)
        except Exception as error:
            raise RunError(f"{measure.__name__} failed on plain Spark: {reason_of(error)}") from error

    return run


def _photos(folder: str) -> DataFrame:
    spark = SparkSession.builder.getOrCreate()
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)


@_told
def notebook(photos: str, count: int, weights: Path, target: str) -> float:
    """The original notebook's way: binaryFile, repartition, an iterator pandas_udf, one Keras predict per batch."""

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
    images = _photos(photos).repartition(max(1, count // _PHOTOS_PER_TASK))
    images.select("path", udf("content").alias("features")).write.mode("overwrite").parquet(target)
    return time.monotonic() - started


@_told
def spark_pca(features: list[str], k: int) -> float:
    """Spark ML's PCA on the column `features` of Parquet files, with a given k."""
    rows = SparkSession.builder.getOrCreate().read.parquet(*features)
    vectors = rows.select(array_to_vector(col("features")).alias("features")).cache()
    vectors.count()
    pca = PCA(k=k, inputCol="features", outputCol="pca")
    pca.fit(vectors.limit(_FIRST_ROWS))
    started = time.monotonic()
    pca.fit(vectors)
    seconds = time.monotonic() - started
    vectors.unpersist()
    return seconds


@_told
def binary_file_copy(photos: str, target: str) -> float:
    """Copy photos to Parquet with Spark's binaryFile source, without checks, hashes or deduplication."""
    started = time.monotonic()
    _photos(photos).write.mode("overwrite").parquet(target)
    return time.monotonic() - started
