"""One line of what Spark says in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import SparkSession

from transforms.spark_error import reason_of


def test_what_a_worker_raised(spark: SparkSession) -> None:
    def broken(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            try:
                raise KeyError("first")
            except KeyError as error:
                raise ValueError("the network is broken\nfor two reasons") from error
            yield batch

    with pytest.raises(PythonException) as raised:
        spark.range(1).mapInArrow(broken, "id long").collect()
    assert reason_of(raised.value) == "ValueError: the network is broken"


def test_what_spark_itself_refused(spark: SparkSession) -> None:
    with pytest.raises(AnalysisException) as raised:
        spark.read.parquet("/nowhere")
    assert reason_of(raised.value).startswith("AnalysisException: [PATH_NOT_FOUND]")


def test_java_names_its_cause_last() -> None:
    said = "Job aborted\n\tat org.apache\nCaused by: java.io.IOException: write\nCaused by: No space left on device\n"
    assert reason_of(RuntimeError(said)) == "No space left on device"
    assert reason_of(RuntimeError("")) == "RuntimeError: no message"
