"""What layer jobs and streams have in common: run_layer.py in the packaged environment, on a cluster or on Serverless.

Both get the same archives, the same Python, the same Iceberg catalog, and the same `setting=value` arguments.
"""

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.emr.package import Artifacts, uri
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


def conf(bucket: str, packaged: Artifacts, more: Mapping[str, str]) -> list[str]:
    """Options of spark-submit for these properties and for the archives."""
    ours = archives(uri(bucket, packaged.environment), uri(bucket, packaged.project))
    said = {**ours, "spark.executorEnv.AWS_REGION": aws.region(), **more}
    return [word for name, value in said.items() for word in ("--conf", f"{name}={value}")]
