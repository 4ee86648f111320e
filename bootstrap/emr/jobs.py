"""A layer job: run_layer.py in the packaged environment, as a cluster's step or as a Serverless job run.

Both get the same archives, the same Python, and the same `setting=value` arguments.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from bootstrap.emr import artifacts
from bootstrap.emr.package import Artifacts
from bootstrap.emr.requests import Request
from bootstrap.settings import Settings
from catalog import aws

PYTHON = "./environment/bin/python"
_NOT_PASSED = {"cache", "master"}  # of this machine; a cluster has its own


def archives(environment: str, project: str) -> dict[str, str]:
    """Spark's properties by which every process of a job gets packages, project and Python: URIs of the archives."""
    return {"spark.archives": f"{environment}#environment,{project}#fruitlake", "spark.pyspark.python": PYTHON}


def arguments(layer: str, settings: Settings, **places: str) -> list[str]:
    """run_layer.py's arguments: every setting that was given, with these in place of the machine's own."""
    given = settings.model_dump(include=settings.model_fields_set - _NOT_PASSED, mode="json", exclude_none=True)
    return [layer, *(f"{name}={value}" for name, value in sorted({**given, **places}.items()))]


def step(cluster: str, bucket: str, packaged: Artifacts, arguments: list[str]) -> Request:
    """AddJobFlowSteps: spark-submit in cluster mode, which ends as the job did."""
    properties = _properties(bucket, packaged) | {
        "spark.yarn.maxAppAttempts": "1",  # a layer that failed fails again; the second try would hide why
        "spark.yarn.appMasterEnv.AWS_REGION": aws.region(),
        "spark.executorEnv.AWS_REGION": aws.region(),
    }
    command = ["spark-submit", "--deploy-mode", "cluster", "--name", f"fruitlake {arguments[0]}"]
    return Request(
        "emr",
        "AddJobFlowSteps",
        {
            "JobFlowId": cluster,
            "Steps": [
                {
                    "Name": f"fruitlake {arguments[0]}",
                    "ActionOnFailure": "CONTINUE",
                    "HadoopJarStep": {
                        "Jar": "command-runner.jar",
                        "Args": [*command, *_conf(properties), artifacts.uri(bucket, packaged.entry), *arguments],
                    },
                }
            ],
        },
    )


def job_run(application: str, role: str, bucket: str, packaged: Artifacts, arguments: list[str]) -> Request:
    """StartJobRun of EMR Serverless."""
    driver = "spark.emr-serverless.driverEnv"
    properties = _properties(bucket, packaged) | {
        f"{driver}.PYSPARK_DRIVER_PYTHON": PYTHON,
        f"{driver}.PYSPARK_PYTHON": PYTHON,
        f"{driver}.AWS_REGION": aws.region(),
        # As the cluster's spark-defaults: four Python workers of 0.7 GB each need more than a tenth beside the JVM.
        "spark.executor.cores": "4",
        "spark.executor.memory": "4g",
        "spark.executor.memoryOverhead": "4g",
        "spark.driver.cores": "4",
        "spark.driver.memory": "4g",
        "spark.driver.memoryOverhead": "4g",
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
        "spark.executorEnv.AWS_REGION": aws.region(),
    }
    parameters: dict[str, Any] = {
        "applicationId": application,
        "executionRoleArn": role,
        "name": f"fruitlake {arguments[0]}",
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": artifacts.uri(bucket, packaged.entry),
                "entryPointArguments": arguments,
                "sparkSubmitParameters": shlex.join(_conf(properties)),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{bucket}/logs/"}}
        },
        "tags": {"project": "fruitlake"},
    }
    return Request("emr-serverless", "StartJobRun", parameters)


def _properties(bucket: str, packaged: Artifacts) -> dict[str, str]:
    return archives(artifacts.uri(bucket, packaged.environment), artifacts.uri(bucket, packaged.project))


def _conf(properties: Mapping[str, str]) -> list[str]:
    return [word for name, value in properties.items() for word in ("--conf", f"{name}={value}")]
