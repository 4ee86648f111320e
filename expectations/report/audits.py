"""Audit outcomes, as the publishing run stored them with each snapshot.

parameters["audit"]: JSON list of {check, severity, passed, observed, expected}
parameters["audit_result"]: passed or warned
Both may be missing (a snapshot of an older version) or odd; a report is shown all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from catalog.snapshot import Snapshot
from expectations.report.contents import Check, TableAudit

NOT_AUDITED = "not audited"


def table_audit(snapshot: Snapshot) -> TableAudit:
    """What the audits said of a snapshot: first what did not pass."""
    checks = sorted(_checks(snapshot.parameters.get("audit", "")), key=lambda c: (c.passed, c.severity != "error"))
    stored = snapshot.parameters.get("audit_result")
    return TableAudit(snapshot.table, stored or _result(checks), tuple(checks))


def _result(checks: Iterable[Check]) -> str:
    failing = {c.severity for c in checks if not c.passed}
    if failing:
        return "failed" if "error" in failing else "warned"
    return "passed" if checks else NOT_AUDITED


def _checks(text: str) -> list[Check]:
    try:
        raw: Any = json.loads(text) if text else []
    except ValueError:
        return []
    items = [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []
    return [
        Check(
            name=str(item.get("check", "?")).replace("_", " "),
            severity=str(item.get("severity", "error")),
            passed=bool(item.get("passed", False)),
            observed=in_words(item.get("observed")),
            expected=in_words(item.get("expected")),
        )
        for item in items
    ]


def in_words(value: Any) -> str:
    """A number, list or text as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, list):
        return ", ".join(in_words(v) for v in value) or "none"
    return str(value)
