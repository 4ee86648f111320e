"""Helpers that deploy the stack to a moto server, or show its dry run."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
from rich.console import Console

from bootstrap.emr.stack import Stack
from bootstrap.emr.up import bring_up
from bootstrap.settings import Settings
from tests.aws import REGION, AwsServer

QUIET = Console(quiet=True)


def up(settings: Settings, **wanted: str) -> Stack:
    stack = bring_up(settings, "fruitlake", {"Compute": "cluster"} | wanted, QUIET, poll=0.01)
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
