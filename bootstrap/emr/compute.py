"""The stack's cluster or Serverless application, with one interface for starting and watching jobs.

A job is run_layer.py in the packaged environment, with the same Python and the same `setting=value` arguments on both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.emr.package import Artifacts, uri
from bootstrap.emr.requests import Request, ask, explained
from bootstrap.emr.stack import Stack
from catalog import aws
from catalog.errors import EmrError

STREAM = "stream"  # given as layer, runs until it is cancelled
PYTHON = "./environment/bin/python"
_ENDED = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")
_SHOWN = 10  # jobs to list


@dataclass(frozen=True)
class Cluster:
    """An EMR cluster, whose jobs are steps."""

    id: str
    bucket: str
    history = "`fruitlake emr tunnel history`, also of clusters before this one"

    def state(self) -> tuple[str, str]:
        """The cluster's state, and EMR's reason for it. Raises AwsError."""
        status = ask("emr", "DescribeCluster", ClusterId=self.id)["Cluster"]["Status"]
        return status["State"], status.get("StateChangeReason", {}).get("Message", "")

    def ended(self) -> bool:
        """Whether the cluster has terminated; CloudFormation does not notice, and endpoints still cost money."""
        return self.state()[0] in _ENDED

    def request(self, packaged: Artifacts, arguments: list[str]) -> Request:
        """AddJobFlowSteps: spark-submit in cluster mode. Raises EmrError if the cluster has ended."""
        state, reason = self.state()
        if state in _ENDED:
            why = f" ({explained(reason)})" if reason else ""
            raise EmrError(f"cluster {self.id} is {state.lower()}{why}: start another with `fruitlake emr up`")
        properties = {
            # A second attempt, because a driver may lose its node; what is already published is not recomputed.
            "spark.yarn.maxAppAttempts": "2",
            "spark.yarn.appMasterEnv.AWS_REGION": aws.region(),
        }
        # A stream ends only if both attempts fail within an hour. That the second one can read the state, as the
        # release's S3 client wrote it, is not confirmed (docs/aws.md, 17).
        if arguments[0] == STREAM:
            properties["spark.yarn.am.attemptFailuresValidityInterval"] = "1h"
        name = f"fruitlake {arguments[0]}"
        command = ["spark-submit", "--deploy-mode", "cluster", "--name", name]
        job = [*_conf(self.bucket, packaged, properties), uri(self.bucket, packaged.entry), *arguments]
        jar = {"Jar": "command-runner.jar", "Args": [*command, *job]}
        steps = [{"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}]
        return Request("emr", "AddJobFlowSteps", {"JobFlowId": self.id, "Steps": steps})

    def job(self, answer: dict[str, Any]) -> str:
        """The id of a job that was started."""
        return str(answer["StepIds"][0])

    def job_state(self, job: str) -> tuple[str, str]:
        """A step's state, and EMR's reason for it. Raises AwsError."""
        status = ask("emr", "DescribeStep", ClusterId=self.id, StepId=job)["Step"]["Status"]
        failure = status.get("FailureDetails", {})
        said = (failure.get("Reason"), failure.get("Message"), status.get("StateChangeReason", {}).get("Message"))
        return status["State"], " ".join(part for part in said if part)

    def last_jobs(self) -> list[tuple[str, str, str]]:
        """Id, name and state of the last steps, newest first."""
        found = ask("emr", "ListSteps", ClusterId=self.id)["Steps"]
        return [(s["Id"], s["Name"], s["Status"]["State"].lower()) for s in found[:_SHOWN]]

    def logs(self, job: str) -> str:
        """The folder of a step's logs in the bucket."""
        return f"s3://{self.bucket}/logs/{self.id}/steps/{job}/"


@dataclass(frozen=True)
class Serverless:
    """An EMR Serverless application, whose jobs are job runs."""

    id: str
    bucket: str
    role: str
    stack: str
    history = "the application's page in EMR Studio, or `aws emr-serverless get-dashboard-for-job-run`"

    def request(self, packaged: Artifacts, arguments: list[str]) -> Request:
        """StartJobRun; the application determines the location and the encryption key of logs."""
        driver, catalog = "spark.emr-serverless.driverEnv", "spark.sql.catalog.lake"
        properties = {
            f"{driver}.PYSPARK_DRIVER_PYTHON": PYTHON,
            f"{driver}.PYSPARK_PYTHON": PYTHON,
            f"{driver}.AWS_REGION": aws.region(),
            "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
            # As in the cluster's spark-defaults: four Python workers of 0.7 GB need more than the default overhead of
            # 10 %.
            **{f"spark.{process}.cores": "4" for process in ("driver", "executor")},
            **{f"spark.{process}.memory": "4g" for process in ("driver", "executor")},
            **{f"spark.{process}.memoryOverhead": "4g" for process in ("driver", "executor")},
            # The release includes the jar; its name with Spark 4 is not confirmed (docs/aws.md, 11).
            "spark.jars": "/usr/share/aws/iceberg/lib/iceberg-spark*runtime*.jar",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.defaultCatalog": "lake",
            catalog: "org.apache.iceberg.spark.SparkCatalog",
            f"{catalog}.type": "glue",
            f"{catalog}.warehouse": f"s3://{self.bucket}/lake",
            f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            f"{catalog}.client.region": aws.region(),
            "spark.hadoop.fs.s3a.endpoint.region": aws.region(),
        }
        submit = {  # EMR splits the parameters at spaces and does not support quotes
            "entryPoint": uri(self.bucket, packaged.entry),
            "entryPointArguments": arguments,
            "sparkSubmitParameters": " ".join(_conf(self.bucket, packaged, properties)),
        }
        parameters: dict[str, Any] = {
            "applicationId": self.id,
            "executionRoleArn": self.role,
            "name": f"fruitlake {arguments[0]}",
            "jobDriver": {"sparkSubmit": submit},
            "tags": {"project": "fruitlake", "stack": self.stack},  # operators may manage what has the stack's tag
        }
        # Batch jobs end after twelve hours, and are not started again after a failure. That a streaming job is started
        # with the same arguments is not confirmed (docs/aws.md, 18).
        if arguments[0] == STREAM:
            retries = {"maxFailedAttemptsPerHour": 5}
            parameters |= {"mode": "STREAMING", "executionTimeoutMinutes": 0, "retryPolicy": retries}
        return Request("emr-serverless", "StartJobRun", parameters)

    def job(self, answer: dict[str, Any]) -> str:
        """The id of a job run that was started."""
        return str(answer["jobRunId"])

    def job_state(self, job: str) -> tuple[str, str]:
        """A job run's state and its details, in EMR's words. Raises AwsError."""
        found = ask("emr-serverless", "GetJobRun", applicationId=self.id, jobRunId=job)["jobRun"]
        return found["state"], found.get("stateDetails", "")

    def last_jobs(self) -> list[tuple[str, str, str]]:
        """Id, name and state of the last job runs, newest first."""
        found = ask("emr-serverless", "ListJobRuns", applicationId=self.id, maxResults=_SHOWN)["jobRuns"]
        return [(run["id"], run.get("name", ""), run["state"].lower()) for run in found]

    def logs(self, job: str) -> str:
        """The folder of a job run's logs in the bucket."""
        return f"s3://{self.bucket}/logs/applications/{self.id}/jobs/{job}/"


def archives(environment: str, project: str) -> dict[str, str]:
    """Spark properties that ship packages, project and Python to every process of a job, as archives in S3."""
    return {"spark.archives": f"{environment}#environment,{project}#fruitlake", "spark.pyspark.python": PYTHON}


def _conf(bucket: str, packaged: Artifacts, more: Mapping[str, str]) -> list[str]:
    """Options of spark-submit for these properties and for the archives."""
    ours = archives(uri(bucket, packaged.environment), uri(bucket, packaged.project))
    said = {**ours, "spark.executorEnv.AWS_REGION": aws.region(), **more}
    return [word for name, value in said.items() for word in ("--conf", f"{name}={value}")]


def cluster_of(stack: Stack | None) -> Cluster | None:
    """The stack's cluster, terminated or not; None if it has none."""
    return Cluster(stack.outputs["ClusterId"], stack.bucket) if stack and "ClusterId" in stack.outputs else None


def compute_of(stack: Stack) -> Cluster | Serverless:
    """The stack's cluster or application. Raises EmrError if it has neither."""
    if cluster := cluster_of(stack):
        return cluster
    if "ApplicationId" not in stack.outputs:
        raise EmrError(f"stack '{stack.name}' has no compute: start it with `fruitlake emr up`")
    return Serverless(stack.outputs["ApplicationId"], stack.bucket, stack.outputs["JobRole"], stack.name)
