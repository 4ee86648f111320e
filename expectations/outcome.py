"""One check's result, as it is stored with a snapshot and shown to people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from catalog.snapshot import Snapshot

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Outcome:
    """observed and expected are what a person compares."""

    check: str
    severity: Severity
    passed: bool
    observed: float | str
    expected: str

    def __str__(self) -> str:
        return f"{self.check} is {in_words(self.observed)}, expected {self.expected}"


def warnings_of(snapshot: Snapshot) -> list[Outcome]:
    """What the audit of a published snapshot found odd."""
    stored = json.loads(snapshot.parameters.get("audit", "[]"))
    return [outcome for outcome in (Outcome(**raw) for raw in stored) if not outcome.passed]


def in_words(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:,.4g}"
