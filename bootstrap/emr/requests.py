"""Requests to AWS as values, which --dry-run can show instead of sending them; what to do if AWS refuses."""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from rich.console import Console

from catalog import aws
from catalog.errors import AwsError

_SPOT = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
_STEPS = {  # by the wording of AWS' message; the first match counts
    "exceed.*(limit|quota)|(limit|quota).*exceed|vcpu limit": "ask Service Quotas for more, see `fruitlake emr check`",
    "capacity|not supported in your requested": "this zone has no such machines: try `--zone b`, or `--instance`",
    "service.linked role.*spot": f"Spot was never used in this account: run `{_SPOT}` once",
    "already exists": "something of that name is there already: choose another `--stack`, or remove it",
    "role|profile|not authorized|access ?denied": "a role or permission is missing: have an administrator run this",
    "_in_progress state": "somebody, or a stopped command, is changing the stack: see `fruitlake emr status`",
}


@dataclass(frozen=True)
class Request:
    """One call of AWS' API, with AWS' names of service and operation. A Path among the parameters is sent as the
    content of its file."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def send(self) -> dict[str, Any]:
        """Send the request; returns the response. Raises AwsError."""
        with ExitStack() as files, aws.explained(self.service):
            given = {
                name: files.enter_context(value.open("rb")) if isinstance(value, Path) else value
                for name, value in self.parameters.items()
            }
            answer: dict[str, Any] = getattr(aws.client(self.service), xform_name(self.operation))(**given)
            return answer


def ask(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Send a read-only request; returns the response. Raises AwsError."""
    return Request(service, operation, parameters).send()


def look_up(absent: str, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
    """Send a read-only request; returns None if AWS answers that the resource does not exist. Raises AwsError."""
    try:
        return ask(service, operation, **parameters)
    except AwsError as error:
        if isinstance(error.__cause__, ClientError) and aws.code_of(error.__cause__) in absent.split():
            return None
        raise


def show(requests: Iterable[Request], console: Console) -> None:
    """Print the requests as a JSON list. Files are shown by path, other content by length."""
    shown = [
        {"service": r.service, "region": aws.region(), "operation": r.operation, "parameters": r.parameters}
        for r in requests
    ]
    text = json.dumps(shown, indent=2, ensure_ascii=False, default=_described)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _described(value: object) -> str:
    return f"<{len(value):,} bytes, made when sent>" if isinstance(value, bytes) else str(value)


def explained(reason: str) -> str:
    """AWS' reason in one line, with the next step if it is known."""
    said = " ".join(reason.split()).rstrip(". ")[:400] or "AWS gave no reason"
    step = next((step for pattern, step in _STEPS.items() if re.search(pattern, said, re.IGNORECASE)), None)
    return f"{said}: {step}" if step else said
