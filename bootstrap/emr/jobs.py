"""Requests for layer jobs and streams: run_layer.py in the packaged environment, as a step or a Serverless job run.

Both get the same archives, the same Python, the same Iceberg catalog, and the same `setting=value` arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.emr import artifacts
from bootstrap.emr.package import Artifacts
from bootstrap.emr.requests import Request
from bootstrap.settings import Settings
from catalog import aws

STREAM = "stream"  # given as layer, runs until it is cancelled
PYTHON = "./environment/bin/python"
_NOT_PASSED = {"cache", "master"}  # settings of this machine; a cluster has its own


def archives(environment: str, project: str) -> dict[str, str]:
    """Spark properties that ship packages, project and Python to every process of a job, as archives in S3."""
    return {"spark.archives": f"{environment}#environment,{project}#fruitlake", "spark.pyspark.python": PYTHON}


def arguments(layer: str, settings: Settings, **places: str) -> list[str]:
    """Arguments of run_layer.py: all settings that were given, overridden by these."""
    given = settings.model_dump(include=settings.model_fields_set - _NOT_PASSED, mode="json", exclude_none=True)
    return [layer, *(f"{name}={_text(value)}" for name, value in sorted({**given, **places}.items()))]


def _text(value: Any) -> str:
    """A setting as its variable has it: globs with commas, a catalog as JSON."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def step(cluster: str, bucket: str, packaged: Artifacts, arguments: list[str]) -> Request:
    """AddJobFlowSteps: spark-submit in cluster mode, which returns the job's exit code."""
    properties = {
        # A second attempt, because a driver may lose its node; what is already published is not recomputed.
        "spark.yarn.maxAppAttempts": "2",
        "spark.yarn.appMasterEnv.AWS_REGION": aws.region(),
    }
    # A stream ends only if both attempts fail within an hour. That the second one can read the state, as the release's
    # S3 client wrote it, is not confirmed (docs/aws.md, 17).
    if arguments[0] == STREAM:
        properties["spark.yarn.am.attemptFailuresValidityInterval"] = "1h"
    name = f"fruitlake {arguments[0]}"
    command = ["spark-submit", "--deploy-mode", "cluster", "--name", name, *_conf(bucket, packaged, properties)]
    jar = {"Jar": "command-runner.jar", "Args": [*command, artifacts.uri(bucket, packaged.entry), *arguments]}
    steps = [{"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}]
    return Request("emr", "AddJobFlowSteps", {"JobFlowId": cluster, "Steps": steps})


def job_run(application: str, role: str, stack: str, bucket: str, packaged: Artifacts, arguments: list[str]) -> Request:
    """StartJobRun of EMR Serverless. The application determines the location and the encryption key of logs."""
    driver, catalog = "spark.emr-serverless.driverEnv", "spark.sql.catalog.lake"
    properties = {
        f"{driver}.PYSPARK_DRIVER_PYTHON": PYTHON,
        f"{driver}.PYSPARK_PYTHON": PYTHON,
        f"{driver}.AWS_REGION": aws.region(),
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
        # As in the cluster's spark-defaults: four Python workers of 0.7 GB need more than the default overhead of 10 %.
        **{f"spark.{process}.cores": "4" for process in ("driver", "executor")},
        **{f"spark.{process}.memory": "4g" for process in ("driver", "executor")},
        **{f"spark.{process}.memoryOverhead": "4g" for process in ("driver", "executor")},
        # The release includes the jar; its name with Spark 4 is not confirmed (docs/aws.md, 11).
        "spark.jars": "/usr/share/aws/iceberg/lib/iceberg-spark*runtime*.jar",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "lake",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "glue",
        f"{catalog}.warehouse": f"s3://{bucket}/lake",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{catalog}.client.region": aws.region(),
        "spark.hadoop.fs.s3a.endpoint.region": aws.region(),
    }
    submit = {  # EMR splits the parameters at spaces and does not support quotes
        "entryPoint": artifacts.uri(bucket, packaged.entry),
        "entryPointArguments": arguments,
        "sparkSubmitParameters": " ".join(_conf(bucket, packaged, properties)),
    }
    parameters: dict[str, Any] = {
        "applicationId": application,
        "executionRoleArn": role,
        "name": f"fruitlake {arguments[0]}",
        "jobDriver": {"sparkSubmit": submit},
        "tags": {"project": "fruitlake", "stack": stack},  # operators may manage resources with the stack's tag
    }
    # Batch jobs end after twelve hours, and are not started again after a failure. That a streaming job is started with
    # the same arguments is not confirmed (docs/aws.md, 18).
    if arguments[0] == STREAM:
        retries = {"maxFailedAttemptsPerHour": 5}
        parameters |= {"mode": "STREAMING", "executionTimeoutMinutes": 0, "retryPolicy": retries}
    return Request("emr-serverless", "StartJobRun", parameters)


def _conf(bucket: str, packaged: Artifacts, more: Mapping[str, str]) -> list[str]:
    """Options of spark-submit for these properties and for the archives."""
    ours = archives(artifacts.uri(bucket, packaged.environment), artifacts.uri(bucket, packaged.project))
    said = ours | {"spark.executorEnv.AWS_REGION": aws.region()} | dict(more)
    return [word for name, value in said.items() for word in ("--conf", f"{name}={value}")]
