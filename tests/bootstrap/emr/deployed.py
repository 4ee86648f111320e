"""Helpers that deploy the stack to a moto server, end its jobs, or show a dry run."""

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from rich.console import Console

from bootstrap.emr.stack import Stack
from bootstrap.emr.submit import submit
from bootstrap.emr.up import bring_up
from bootstrap.settings import Settings
from tests.aws import REGION, AwsServer
from tests.emr import the_step

QUIET = Console(quiet=True)


def up(settings: Settings, **wanted: str) -> Stack:
    stack = bring_up(settings, "fruitlake", {"Compute": "cluster"} | wanted, QUIET)
    assert stack is not None
    return stack


def cluster(server: AwsServer, identity: str) -> dict[str, Any]:
    emr = boto3.client("emr", endpoint_url=server.url, region_name=REGION)
    return dict(emr.describe_cluster(ClusterId=identity)["Cluster"])


def shown(settings: Settings, **wanted: str) -> list[dict[str, Any]]:
    """The requests that a dry run prints."""
    said = io.StringIO()
    bring_up(settings, "fruitlake", {"Compute": "cluster"} | wanted, Console(file=said, width=80), dry_run=True)
    requests: list[dict[str, Any]] = json.loads(said.getvalue())
    return requests


def shown_job(settings: Settings, layer: str) -> list[dict[str, Any]]:
    said = io.StringIO()
    submit(settings, "fruitlake", layer, Console(file=said, width=80), dry_run=True)
    requests: list[dict[str, Any]] = json.loads(said.getvalue())
    return requests


@contextmanager
def ending(state: str, **failure: str) -> Iterator[None]:
    """Let the step that is submitted in the block end in this state, a moment later."""

    def end() -> None:
        for _ in range(1000):
            time.sleep(0.01)
            try:
                step: Any = the_step()
            except IndexError:
                continue
            step.failure = failure
            step.state = state
            return

    thread = threading.Thread(target=end)
    thread.start()
    yield
    thread.join()
