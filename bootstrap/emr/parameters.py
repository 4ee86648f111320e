"""What the template's parameters may be, said before anything is sent.

stack.yaml ──Parameters──▶ names, allowed values, limits ──check──▶ nothing, or one line about what is wrong

CloudFormation looks at a parameter only once it deploys, and never at two of them together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from catalog.errors import EmrError


def check(given: Mapping[str, str], standing: Mapping[str, str]) -> None:
    """Raise EmrError unless the stack takes these, beside those it has already."""
    known = _known()
    for name, value in given.items():
        if name not in known:
            raise EmrError(f"the stack has no parameter '{name}': it has {', '.join(known)}")
        _check_one(name, value, known[name])
    values = {name: rule["Default"] for name, rule in known.items()} | dict(standing) | dict(given)
    least, most, core = (int(values[name]) for name in ("MinimumNodes", "MaximumNodes", "MaximumCoreNodes"))
    if least > most:
        raise EmrError(f"--minimum-nodes {least} is more than --maximum-nodes {most}: lower the one or raise the other")
    if core > most:
        raise EmrError(f"MaximumCoreNodes {core} is more than --maximum-nodes {most}: core nodes are among them")
    if "IdleSeconds" in given and values["HighAvailability"] == "true":
        raise EmrError("a cluster with three primaries does not end by itself: leave out --idle-minutes")


def _check_one(name: str, value: str, rule: Mapping[str, Any]) -> None:
    allowed, pattern = rule.get("AllowedValues"), rule.get("AllowedPattern")
    if allowed and value not in allowed:
        raise EmrError(f"{name} cannot be '{value}': choose {' or '.join(allowed)}")
    if pattern and not re.fullmatch(pattern, value):
        raise EmrError(f"{name} cannot be '{value}': it is to match {pattern}")
    if rule["Type"] == "Number":
        least, most = int(rule.get("MinValue", 0)), int(rule.get("MaxValue", 2**53))
        if not value.isdecimal() or not least <= int(value) <= most:
            raise EmrError(f"{name} cannot be '{value}': it is a whole number from {least} to {most}")


def _known() -> dict[str, dict[str, Any]]:
    """As the template has them, every value a text."""
    text = (files("bootstrap.emr") / "stack.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.load(text, Loader=yaml.BaseLoader)["Parameters"]  # BaseLoader: texts only
    return found
