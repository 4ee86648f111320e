"""The thresholds of thresholds.yml, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import yaml

from catalog.errors import SettingsError
from expectations.outcome import Severity

_KEYS = {"says", "severity", "min", "max"}


@dataclass(frozen=True)
class Threshold:
    """min and max are numbers, {"$PARAMETER": name} for one that the run brings, or None."""

    name: str
    says: str
    severity: Severity
    min: Any = None
    max: Any = None

    def expected(self, limits: Mapping[str, float]) -> str:
        """The range in words: `≤ 0.05`, `1`, `0.9 to 1.1`."""
        least, most = (limits[b["$PARAMETER"]] if isinstance(b, dict) else b for b in (self.min, self.max))
        if least is not None and most is not None:
            return f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"≥ {least:,}" if most is None else f"≤ {most:,}"


@cache
def thresholds() -> Mapping[str, tuple[Threshold, ...]]:
    """The thresholds by table. Raises SettingsError, naming the entry, if one is not well-formed."""
    return parse((files("expectations") / "thresholds.yml").read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, tuple[Threshold, ...]]:
    return {
        table: tuple(_threshold(table, name, entry) for name, entry in entries.items())
        for table, entries in yaml.safe_load(text).items()
    }


def _threshold(table: str, name: str, entry: dict[str, Any]) -> Threshold:
    legal = get_args(Severity)
    if not isinstance(entry, dict) or not set(entry) <= _KEYS or not {"min", "max"} & set(entry):
        raise SettingsError(f"thresholds.yml, {table}, {name}: give says, severity, and min or max or both")
    if entry.get("severity") not in legal or not entry.get("says"):
        raise SettingsError(f"thresholds.yml, {table}, {name}: give says, and severity as one of {', '.join(legal)}")
    return Threshold(name, **entry)
