"""Requests to AWS as values, which --dry-run can show instead of sending them.

Request("emr", "AddJobFlowSteps", {...}) ──show──▶ JSON      ──send──▶ boto3, errors explained
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from rich.console import Console

from catalog import aws


@dataclass(frozen=True)
class Request:
    """One call of AWS' API, with AWS' names of service and operation. A Path among the parameters is sent as the
    content of its file."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def send(self) -> dict[str, Any]:
        """Send the request; returns the response. Raises AwsError."""
        with ExitStack() as files, aws.explained(self.service):
            call = getattr(aws.client(self.service), xform_name(self.operation))
            given = {
                name: files.enter_context(value.open("rb")) if isinstance(value, Path) else value
                for name, value in self.parameters.items()
            }
            answer: dict[str, Any] = call(**given)
            return answer


def ask(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Send a read-only request; returns the response. Raises AwsError."""
    return Request(service, operation, parameters).send()


def look_up(absent: str, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
    """Send a read-only request; returns None if AWS answers that the resource does not exist. Raises AwsError."""
    with aws.explained(service):
        try:
            answer: dict[str, Any] = getattr(aws.client(service), xform_name(operation))(**parameters)
        except ClientError as error:
            if aws.code_of(error) in absent.split():
                return None
            raise
    return answer


def show(requests: Iterable[Request], console: Console) -> None:
    """Print the requests as a JSON list. Files are shown by path, other content by length."""
    shown = [
        {"service": r.service, "region": aws.region(), "operation": r.operation, "parameters": r.parameters}
        for r in requests
    ]
    text = json.dumps(shown, indent=2, ensure_ascii=False, default=_described)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _described(value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes, made when sent>"
    return str(value)
