"""The stack: what it holds, and how it comes to hold something else.

stack.yaml + parameters ──CreateStack, UpdateStack──▶ CloudFormation ──its events, polled──▶ done, or why not
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from bootstrap.emr.reasons import explained
from bootstrap.emr.requests import Request
from catalog import aws
from catalog.errors import AwsError, EmrError

POLL = 5.0  # seconds


@dataclass(frozen=True)
class Stack:
    """A deployed stack: its state in CloudFormation's words, its parameters and outputs."""

    name: str
    state: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """Raises EmrError if the stack is not made yet, or could not be."""
        if "Bucket" not in self.outputs:
            raise EmrError(f"stack '{self.name}' has no bucket ({self.state.lower()}): `fruitlake emr up` makes it")
        return self.outputs["Bucket"]

    @property
    def failed_at_birth(self) -> bool:
        """Nothing is in it, and nothing can be done with it but to delete it."""
        return self.state in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


def find(name: str) -> Stack | None:
    """The stack of that name in the run's region. Raises AwsError."""
    with aws.explained("the stack cannot be looked at"):
        try:
            (found,) = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
    return Stack(
        name,
        found["StackStatus"],
        {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])},
        {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
    )


def existing(name: str) -> Stack:
    """The stack. Raises EmrError if there is none."""
    stack = find(name)
    if stack is None:
        raise EmrError(f"there is no stack '{name}' in {aws.region()}: make it with `fruitlake emr up`")
    return stack


def deployment(name: str, stack: Stack | None, parameters: Mapping[str, str]) -> Request:
    """The request that gives the stack these parameters; others stay as they are, or as the template says."""
    values = {**(stack.parameters if stack else {}), **parameters}
    common = {
        "StackName": name,
        "TemplateBody": (files("bootstrap.emr") / "stack.yaml").read_text(encoding="utf-8"),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": "project", "Value": "fruitlake"}, {"Key": "stack", "Value": name}],
    }
    if stack:
        return Request("cloudformation", "UpdateStack", common)
    return Request("cloudformation", "CreateStack", common)


def deletion(name: str) -> Request:
    """The request that takes everything away but bucket, key and databases."""
    return Request("cloudformation", "DeleteStack", {"StackName": name})


def deploy(request: Request, console: Console, poll: float = POLL) -> None:
    """Send it and wait until it is done; nothing to update is fine.

    Raises EmrError with the first thing that failed, AwsError if CloudFormation refuses.
    """
    name = request.parameters["StackName"]
    watch = _Watch(name, console)  # before it is sent: what is told from here on is about this request
    try:
        request.send()
    except AwsError as error:
        if "No updates are to be performed" in str(error):
            return
        raise AwsError(explained(str(error))) from error
    try:
        with console.status(f"stack {name}: {request.operation}"):
            while not watch.finished():
                time.sleep(poll)
    except KeyboardInterrupt:
        console.print(f"stack {name}: CloudFormation goes on by itself, `fruitlake emr status` shows how far it is")
        raise
    if watch.failure:
        raise EmrError(f"stack {name}: {explained(watch.failure)}")


class _Watch:
    """A stack's events from now on, each seen once; this machine's clock plays no part."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._seen: set[str] = set()
        self._client = aws.client("cloudformation")
        self.failure: str | None = None
        self._events()

    def finished(self) -> bool:
        for event in self._events():
            state, what = event["ResourceStatus"], event["LogicalResourceId"]
            if state.endswith("FAILED") and self.failure is None:
                self.failure = f"{what}: {event.get('ResourceStatusReason', state)}"
            if what in ("Cluster", "Serverless", "Network", "Bucket"):  # the others are legion
                self._console.print(f"{event['Timestamp']:%H:%M:%S} {what} {state}", highlight=False)
        stack = find(self._name)
        state = stack.state if stack else "DELETE_COMPLETE"
        if "ROLLBACK" in state and self.failure is None:
            self.failure = state
        return not state.endswith("IN_PROGRESS")

    def _events(self) -> list[dict[str, Any]]:
        """New ones, oldest first. A stack that is not there has none to tell."""
        new: list[dict[str, Any]] = []
        with aws.explained("the stack's events cannot be read"):
            try:
                for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self._name):
                    fresh = [e for e in page["StackEvents"] if e["EventId"] not in self._seen]
                    new += fresh
                    if len(fresh) < len(page["StackEvents"]):
                        break  # newest first: what follows has been seen
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
        self._seen |= {e["EventId"] for e in new}
        return new[::-1]
