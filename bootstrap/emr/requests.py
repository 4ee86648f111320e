"""Requests to AWS as values: made in one place, shown by --dry-run, sent in another.

Request("emr", "AddJobFlowSteps", {...}) ──show──▶ JSON      ──send──▶ boto3, errors explained
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore import xform_name
from rich.console import Console

from bootstrap.settings import Settings
from catalog import aws
from catalog.errors import EmrError


@dataclass(frozen=True)
class Request:
    """One call of AWS' API: service and operation as AWS spells them. A Path among the parameters is sent as its
    file's content."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def send(self) -> dict[str, Any]:
        """The answer. Raises AwsError."""
        content = {name: value.open("rb") for name, value in self.parameters.items() if isinstance(value, Path)}
        try:
            with aws.explained(f"{self.service} refused"):
                call = getattr(aws.client(self.service), xform_name(self.operation))
                answer: dict[str, Any] = call(**{**self.parameters, **content})
                return answer
        finally:
            for file in content.values():
                file.close()


def show(requests: Iterable[Request], console: Console) -> None:
    """What would be sent, as one JSON list. Files are shown by path, made contents by length."""
    shown = [
        {"service": r.service, "region": aws.region(), "operation": r.operation, "parameters": r.parameters}
        for r in requests
    ]
    text = json.dumps(shown, indent=2, ensure_ascii=False, default=_described)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _described(value: object) -> str:
    if isinstance(value, Path):
        return value.as_uri()
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes, made when sent>"
    raise TypeError(f"{type(value).__name__} is no part of a request")


def check_region(settings: Settings) -> None:
    """Raise EmrError unless photos may lie in the region that requests go to."""
    allowed = [name.strip() for name in settings.allowed_regions.split(",")]
    if aws.region() not in allowed:
        raise EmrError(
            f"region {aws.region()} is not allowed ({', '.join(allowed)}): set AWS_REGION={allowed[0]}, "
            f"or allow it with FRUITLAKE_ALLOWED_REGIONS={settings.allowed_regions},{aws.region()}"
        )
