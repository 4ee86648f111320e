"""Spark's long errors, reduced to one line."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException, PythonException
from pyspark.sql import SparkSession

from catalog.errors import RunError
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


def test_what_a_worker_says_itself(spark: SparkSession) -> None:
    def refusing(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise RunError("no GPU here: leave --device out")

    with pytest.raises(PythonException) as raised:
        spark.range(1).mapInArrow(refusing, "id long").collect()
    assert reason_of(raised.value) == "no GPU here: leave --device out"


def test_what_spark_itself_refused(spark: SparkSession) -> None:
    with pytest.raises(AnalysisException) as raised:
        spark.read.parquet("/nowhere")
    assert reason_of(raised.value).startswith("AnalysisException: [PATH_NOT_FOUND]")


def test_java_names_its_cause_last() -> None:
    said = "Job aborted\n\tat org.apache\nCaused by: java.io.IOException: write\nCaused by: No space left on device\n"
    assert reason_of(RuntimeError(said)) == "No space left on device"
    assert reason_of(RuntimeError("")) == "RuntimeError: no message"


def test_what_aws_refused_is_told_with_the_operation_and_the_next_step() -> None:
    java = (
        "An error occurred while calling o87.sql.\n: org.apache.spark.SparkException: Job aborted\n\tat org.apache\n"
        "Caused by: software.amazon.awssdk.services.{0} (SDK Attempt Count: 1)\n"
        "\tat software.amazon.awssdk.core.Something.java:1)\n"
        "\tat software.amazon.awssdk.services.x.Default{1}(Default.java:9)\n"
    )
    refused = java.format(
        "glue.model.AccessDeniedException: User: ada is not authorized (Service: Glue, Status Code: 400)",
        "GlueClient.updateTable",
    )
    nothing_said = java.format(
        "s3.model.S3Exception: null (Service: S3, Status Code: 403, Request ID: 1)", "S3Client.headObject"
    )
    ended = java.format(
        "s3.model.S3Exception: The provided token has expired. (Service: S3, Status Code: 400, Request ID: 1)",
        "S3Client.putObject",
    )
    granted = "use other credentials, or have it granted"
    assert reason_of(RuntimeError(refused)) == f"no permission for UpdateTable (User: ada is not authorized): {granted}"
    assert reason_of(RuntimeError(nothing_said)) == f"no permission for HeadObject (null): {granted}"
    assert reason_of(RuntimeError(ended)).startswith("AWS refuses the credentials (S3Exception): renew them")
    arrow = "When reading 'x' in bucket 'b': AWS Error ACCESS_DENIED during GetObject operation: No response body."
    assert reason_of(OSError(arrow)) == f"no permission for GetObject (No response body.): {granted}"
    arrow = "AWS Error SLOW_DOWN during PutObject operation: Please reduce your request rate."
    assert reason_of(OSError(arrow)) == "PutObject failed (SLOW_DOWN: Please reduce your request rate.)"
