"""Read, create and update the CloudFormation stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from botocore.exceptions import WaiterError
from rich.console import Console

from bootstrap.emr.requests import Request, explained, look_up
from catalog import aws
from catalog.errors import AwsError, EmrError

POLL = 5.0  # seconds
_LONGEST = 3600.0  # seconds
_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_WAITERS = {"CreateStack": "stack_create_complete", "UpdateStack": "stack_update_complete"}


@dataclass(frozen=True)
class Stack:
    """A deployed stack: its CloudFormation status, its parameters and outputs."""

    name: str
    state: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """The stack's bucket. Raises EmrError if the stack is not created yet, or its creation failed."""
        if "Bucket" not in self.outputs:
            raise EmrError(f"stack '{self.name}' has no bucket ({self.state.lower()}): `fruitlake emr up` makes it")
        return self.outputs["Bucket"]


def find(name: str) -> Stack | None:
    """The stack of this name in the current region; None if there is none. Raises AwsError."""
    answer = look_up("ValidationError", "cloudformation", "DescribeStacks", StackName=name)
    if answer is None:
        return None
    (found,) = answer["Stacks"]
    return Stack(
        name,
        found["StackStatus"],
        {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])},
        {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
    )


def existing(name: str) -> Stack:
    """The stack of this name. Raises EmrError if there is none."""
    stack = find(name)
    if stack is None:
        raise EmrError(f"there is no stack '{name}' in {aws.region()}: make it with `fruitlake emr up`")
    return stack


def template() -> str:
    """The text of the CloudFormation template."""
    return (files("bootstrap.emr") / "stack.yaml").read_text(encoding="utf-8")


def section(name: str) -> Any:
    """A section of the template, a dictionary with all values as text."""
    return yaml.load(template(), Loader=yaml.BaseLoader)[name]


def parameters_of(options: Mapping[str, Any]) -> dict[str, str]:
    """The template's parameters that a command was given as options, as texts: minimum_nodes is MinimumNodes."""
    given = {name.title().replace("_", ""): value for name, value in options.items() if value is not None}
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    return {name: texts[name] for name in section("Parameters") if name in texts}


def with_defaults(given: Mapping[str, str]) -> dict[str, str]:
    """All parameters of the template, from the given ones and defaults; parameters of older templates are dropped."""
    return {name: given.get(name, rule["Default"]) for name, rule in section("Parameters").items()}


def deployment(operation: str, name: str, parameters: Mapping[str, str]) -> Request:
    """Request for CreateStack or UpdateStack with these parameters, and defaults for the others."""
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in with_defaults(parameters).items()]
    more = {"TemplateBody": template(), "Parameters": given, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    tags = [{"Key": "project", "Value": "fruitlake"}, {"Key": "stack", "Value": name}]
    new = {"OnFailure": "DELETE"} if operation == "CreateStack" else {}  # a rolled-back stack cannot be updated
    return Request("cloudformation", operation, {"StackName": name, **more, "Tags": tags, **new})


def deploy(request: Request, console: Console) -> None:
    """Send the request and wait until it is done. Raises EmrError with the first failure."""
    name = request.parameters["StackName"]
    try:
        identity = request.send()["StackId"]  # also finds a stack that has been deleted
    except AwsError as error:
        if "No updates are to be performed" in str(error):
            return
        raise AwsError(explained(str(error))) from error
    waiter = aws.client("cloudformation").get_waiter(_WAITERS[request.operation])
    try:
        with console.status(f"stack {name}: {request.operation}, some minutes"), aws.explained(f"stack {name}"):
            waiter.wait(StackName=identity, WaiterConfig={"Delay": POLL, "MaxAttempts": int(_LONGEST / POLL)})
    except KeyboardInterrupt:
        console.print(f"stack {name}: CloudFormation continues by itself; `fruitlake emr status` shows its progress")
        raise
    except AwsError as error:
        if not isinstance(error.__cause__, WaiterError):
            raise
        raise EmrError(f"stack {name}: {explained(_first_failure(identity))}") from error


def _first_failure(identity: str) -> str:
    """Why the last operation failed. Events come newest first, and an operation begins with "User Initiated"."""
    why = "it failed, and CloudFormation tells no reason"
    with aws.explained("the stack's events cannot be read"):
        for page in aws.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=identity):
            for event in page["StackEvents"]:
                reason = event.get("ResourceStatusReason", event["ResourceStatus"])
                if reason == "User Initiated" and event["ResourceStatus"] in _BEGINNINGS:
                    return why
                if event["ResourceStatus"].endswith("FAILED"):
                    why = f"{event['LogicalResourceId']}: {reason}"
    return why
