"""The stack's cluster or Serverless application, with one interface for starting and watching jobs.

compute_of(stack) ──▶ Cluster or Serverless ──▶ a job's request, its state and reason, the location of its logs
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bootstrap.emr import jobs
from bootstrap.emr.package import Artifacts
from bootstrap.emr.reasons import explained
from bootstrap.emr.requests import Request, ask
from bootstrap.emr.stack import Stack
from catalog.errors import EmrError

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
        """The request that starts a step. Raises EmrError if the cluster has ended."""
        state, reason = self.state()
        if state in _ENDED:
            why = f" ({explained(reason)})" if reason else ""
            raise EmrError(f"cluster {self.id} is {state.lower()}{why}: start another with `fruitlake emr up`")
        return jobs.step(self.id, self.bucket, packaged, arguments)

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
        """The request that starts a job run."""
        return jobs.job_run(self.id, self.role, self.stack, self.bucket, packaged, arguments)

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
