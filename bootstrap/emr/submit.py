"""A layer job submitted and waited for.

artifacts that are missing ─▶ bucket; step or job run ─▶ its states as they change ─▶ done, or why it failed
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bootstrap.emr import artifacts, jobs
from bootstrap.emr.package import folder, packaged
from bootstrap.emr.reasons import explained
from bootstrap.emr.requests import Request, check_region, show
from bootstrap.emr.stack import Stack, existing
from bootstrap.emr.up import ENDED, cluster_state
from bootstrap.settings import Settings
from catalog import aws
from catalog.errors import AwsError, EmrError
from catalog.storage import is_remote

POLL = 10.0  # seconds
_DONE = {"COMPLETED": True, "SUCCESS": True, "FAILED": False, "CANCELLED": False, "INTERRUPTED": False}


@dataclass(frozen=True)
class Job:
    """A running job: what it is called, where its logs go, how to ask for its state and the reason for it."""

    id: str
    logs: str
    history: str
    ask: Callable[[], tuple[str, str]]


def submit(
    settings: Settings, name: str, layer: str, console: Console, dry_run: bool = False, poll: float = POLL
) -> None:
    """Run a layer on the stack's compute and wait for it.

    Raises EmrError if there is no compute, a place is not in S3, or the job failed: with reason and logs.
    """
    check_region(settings)
    made = packaged(settings)
    stack = existing(name)
    request, watch = _request(stack, _arguments(settings, stack, layer, made.model), settings)
    uploads = artifacts.uploads(made, folder(settings), stack.bucket)
    if dry_run:
        show([*uploads, request], console)
        return
    for upload in uploads:
        with console.status(f"uploading {upload.parameters['Key']}"):
            upload.send()
    job = watch(request.send())
    console.print(f"job {job.id}\nlogs: {job.logs}\nSpark history: {job.history}", highlight=False, soft_wrap=True)
    wait(job, layer, console, poll)


def wait(job: Job, layer: str, console: Console, poll: float = POLL) -> None:
    """Tell every change of state until the job ends. Raises EmrError if it did not end well."""
    started, told = time.monotonic(), ""
    goes_on = f"job {job.id} goes on: `fruitlake emr status` and `fruitlake emr logs {job.id}` tell how it ends"
    try:
        with console.status(f"{layer} on EMR"):
            while True:
                state, reason = job.ask()
                if state != told:
                    console.print(f"{layer}: {state.lower()} after {time.monotonic() - started:.0f} s", highlight=False)
                    told = state
                if state in _DONE:
                    break
                time.sleep(poll)
    except KeyboardInterrupt:
        console.print(goes_on, highlight=False, soft_wrap=True)
        raise
    except AwsError as error:  # expired credentials, say: that is no failure of the job
        raise EmrError(f"{error}; {goes_on}") from error
    if not _DONE[state]:
        raise EmrError(
            f"{layer} {state.lower()}: {explained(reason)}; logs: {job.logs} (`fruitlake emr logs {job.id}`)"
        )


def _arguments(settings: Settings, stack: Stack, layer: str, model: str) -> list[str]:
    given = settings.model_fields_set
    if settings.engine != "onnx":
        raise EmrError(
            f"engine '{settings.engine}' is not packaged for a cluster, it runs ONNX Runtime: unset FRUITLAKE_ENGINE"
        )
    places = {
        "lake": settings.lake if "lake" in given else f"s3://{stack.bucket}/lake",
        "images": settings.images or f"s3://{stack.bucket}/images",
    }
    for option, place in places.items():
        if not is_remote(place):
            raise EmrError(f"a cluster cannot see '{place}': give --{option} a place in S3, like s3://{stack.bucket}/…")
    prefix = stack.parameters["DatabasePrefix"]  # the role may touch no other databases
    weights = artifacts.uri(stack.bucket, model)
    return jobs.arguments(layer, settings, **places, database_prefix=prefix, weights=weights)


def _request(stack: Stack, arguments: list[str], settings: Settings) -> tuple[Request, Callable[[dict[str, Any]], Job]]:
    """The request that starts the job, and what makes a Job of its answer."""
    made = packaged(settings)
    application = stack.outputs.get("ApplicationId")
    if application:
        role = stack.outputs["JobRole"]
        request = jobs.job_run(application, role, stack.bucket, made, arguments)
        return request, lambda answer: serverless_job(stack, application, answer["jobRunId"])
    cluster = stack.outputs.get("ClusterId")
    if not cluster:
        raise EmrError(f"stack '{stack.name}' has no compute: start it with `fruitlake emr up`")
    state, reason = cluster_state(cluster)
    if state in ENDED:
        why = f" ({explained(reason)})" if reason else ""
        raise EmrError(f"cluster {cluster} is {state.lower()}{why}: start another with `fruitlake emr up`")
    if stack.parameters.get("ReleaseLine") == "emr-7":
        raise EmrError(
            f"cluster {cluster} runs {stack.parameters['Release']}, whose Spark is 3: layer jobs need emr-spark-8, "
            "`fruitlake emr up --release emr-spark-8.0.0`"
        )
    request = jobs.step(cluster, stack.bucket, made, arguments)
    return request, lambda answer: step_job(stack, cluster, answer["StepIds"][0])


def step_job(stack: Stack, cluster: str, step: str) -> Job:
    def ask() -> tuple[str, str]:
        with aws.explained(f"step {step} cannot be looked at"):
            status = aws.client("emr").describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]
        failure = status.get("FailureDetails", {})
        said = (failure.get("Reason"), failure.get("Message"), status.get("StateChangeReason", {}).get("Message"))
        return status["State"], " ".join(part for part in said if part)

    history = "`fruitlake emr tunnel history`; once the cluster has ended, its Applications tab in EMR's console"
    return Job(step, f"s3://{stack.bucket}/logs/{cluster}/steps/{step}/", history, ask)


def serverless_job(stack: Stack, application: str, run: str) -> Job:
    def ask() -> tuple[str, str]:
        with aws.explained(f"job run {run} cannot be looked at"):
            found = aws.client("emr-serverless").get_job_run(applicationId=application, jobRunId=run)["jobRun"]
        return found["state"], found.get("stateDetails", "")

    logs = f"s3://{stack.bucket}/logs/applications/{application}/jobs/{run}/"
    dashboard = f"aws emr-serverless get-dashboard-for-job-run --application-id {application} --job-run-id {run}"
    return Job(run, logs, f"`{dashboard}`", ask)
