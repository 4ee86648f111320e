"""Submit a layer job and wait for it, or a stream and wait until it is running."""

import json
import time
from typing import Any

from rich.console import Console

from bootstrap.emr.compute import STREAM, Cluster, Serverless, compute_of
from bootstrap.emr.package import folder, packaged, uploads, uri
from bootstrap.emr.requests import explained, show
from bootstrap.emr.stack import Stack, existing
from bootstrap.settings import Settings
from catalog.bucket import check_catalog_region
from catalog.errors import AwsError, EmrError
from catalog.storage import is_remote

POLL = 10.0  # seconds
_NOT_PASSED = {"cache", "master"}  # settings of this machine; a cluster has its own
_DONE = {"COMPLETED": True, "SUCCESS": True, "FAILED": False, "CANCELLED": False, "INTERRUPTED": False}


def submit(settings: Settings, name: str, layer: str, console: Console, dry_run: bool = False) -> None:
    """Run a layer on the stack's compute and wait for it; for a stream, only until it is running.

    Raises EmrError if there is no compute, a location is not in S3, or the job failed, with its reason and logs.
    """
    check_catalog_region(settings.regions)
    made, stack = packaged(settings), existing(name)
    compute = compute_of(stack)
    request = compute.request(made, _arguments(settings, stack, layer, made.model))
    missing = uploads(made, folder(settings), stack.bucket)
    if dry_run:
        show([*missing, request], console)
        return
    for upload in missing:
        with console.status(f"uploading {upload.parameters['Key']}"):
            upload.send()
    job = compute.job(request.send())
    said = f"job {job}\nlogs: {compute.logs(job)}\nSpark history: {compute.history}"
    console.print(said, highlight=False, soft_wrap=True)
    _wait(compute, job, layer, console)


def _wait(compute: Cluster | Serverless, job: str, layer: str, console: Console) -> None:
    """Print every change of state until the job ends, or the stream is running. Raises EmrError if it failed."""
    started, told = time.monotonic(), ""
    continues = f"job {job} continues: `fruitlake emr status` and `fruitlake emr logs {job}` show its progress"
    try:
        with console.status(f"{layer} on EMR"):
            while told not in _DONE and not (layer == STREAM and told == "RUNNING"):
                if told:
                    time.sleep(POLL)
                state, reason = compute.job_state(job)
                if state != told:
                    console.print(f"{layer}: {state.lower()} after {time.monotonic() - started:.0f} s", highlight=False)
                    told = state
    except KeyboardInterrupt:
        console.print(continues, highlight=False, soft_wrap=True)
        raise
    except AwsError as error:  # for example expired credentials: the job itself has not failed
        raise EmrError(f"{error}; {continues}") from error
    if told not in _DONE:
        ending = "`fruitlake emr down` ends it, on Serverless with --cancel-jobs"
        console.print(f"{continues}; {ending}", highlight=False, soft_wrap=True)
    elif not _DONE[told]:
        where = f"logs: {compute.logs(job)} (`fruitlake emr logs {job}`)"
        raise EmrError(f"{layer} {told.lower()}: {explained(reason)}; {where}")


def _arguments(settings: Settings, stack: Stack, layer: str, model: str) -> list[str]:
    if settings.engine != "onnx":
        raise EmrError(
            f"engine '{settings.engine}' is not packaged for a cluster, it runs ONNX Runtime: unset FRUITLAKE_ENGINE"
        )
    if layer == STREAM and settings.refit:
        raise EmrError("a stream would refit again and again: `fruitlake emr submit gold --refit`, then the stream")
    places = {
        "lake": settings.lake if "lake" in settings.model_fields_set else f"s3://{stack.bucket}/lake",
        "images": settings.images or f"s3://{stack.bucket}/images",
    }
    for option, place in places.items():
        if not is_remote(place):
            raise EmrError(f"a cluster cannot see '{place}': give --{option} a place in S3, like s3://{stack.bucket}/…")
    prefix = stack.parameters["DatabasePrefix"]  # the role has no rights on other databases
    weights = uri(stack.bucket, model)
    given = arguments(layer, settings, **places, database_prefix=prefix, weights=weights)
    if layer == STREAM and settings.images is None and "EventQueue" in stack.outputs:
        given.append(f"--events={stack.outputs['EventQueue']}")
    return given


def arguments(layer: str, settings: Settings, **places: str) -> list[str]:
    """Arguments of run_layer.py: all settings that were given, overridden by these."""
    given = settings.model_dump(include=settings.model_fields_set - _NOT_PASSED, mode="json", exclude_none=True)
    return [layer, *(f"{name}={_text(value)}" for name, value in sorted({**given, **places}.items()))]


def _text(value: Any) -> str:
    """A setting as its variable has it: globs with commas, a catalog as JSON."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)
