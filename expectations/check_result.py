"""The result of one check, as stored with a snapshot and shown in messages and reports."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["critical", "warning"]  # Great Expectations' severities; critical stops the publish


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: what was observed and what was expected, both for people to read.

    column: None if the check is about the whole table. examples: a few of the rows or values that fail.
    """

    check: str
    severity: Severity
    passed: bool
    observed: float | str
    expected: str
    column: str | None = None
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Readable name, such as `feature_norm: column mean to be between`."""
        words = self.check.removeprefix("expect_").replace("_", " ")
        return f"{self.column}: {words}" if self.column else words

    def __str__(self) -> str:
        """One line: column, check, what was found and what was expected."""
        place = f"column {self.column}: " if self.column else ""
        examples = f", for example {' · '.join(self.examples)}" if self.examples else ""
        return f"{place}{self.check} found {in_words(self.observed)}, expected {self.expected}{examples}"


def to_json(results: Iterable[CheckResult]) -> str:
    """Serialize results for the snapshot, without the examples: they may name photos, which may be erased later."""
    stored = [{name: value for name, value in asdict(r).items() if name != "examples"} for r in results]
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> list[CheckResult]:
    """Read the results that `to_json` wrote."""
    return [CheckResult(**stored) for stored in json.loads(text)]


def warnings_of(properties: Mapping[str, str]) -> list[CheckResult]:
    """The failed checks of a published snapshot, read from its properties."""
    return [result for result in from_json(properties.get("audit", "[]")) if not result.passed]


def in_words(value: float | str) -> str:
    """Format an integer with thousands separators, a float with four significant digits; text is returned as is."""
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else f"{value:,.4g}"


def key_in_words(row: Mapping[str, object]) -> str:
    """Describe a row by the columns of its key: `image_id=…, model_id=…`."""
    return ", ".join(f"{name}={short(value)}" for name, value in row.items())


def short(value: object) -> str:
    """Shorten a value to 80 characters to show it as an example; source paths may be long."""
    text = "null" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
