"""Read the expectation suites in suites.yml and check that they are well-formed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import yaml

from catalog.errors import SettingsError
from catalog.tables import TABLES
from expectations.check_result import Severity
from expectations.derived import DERIVED
from expectations.parameters import PARAMETERS

_KEYS = {"type", "kwargs", "severity", "notes"}
_COLUMNS = ("column", "column_A", "column_B", "column_list", "column_set")  # arguments that name columns
_NAME = re.compile(r"[A-Za-z]\w*")

Rows = Literal["written", "whole"]


@dataclass(frozen=True)
class Expectation:
    """One entry of a suite: a Great Expectations expectation type and its arguments."""

    type: str
    kwargs: dict[str, Any]
    severity: Severity
    notes: str

    @property
    def columns(self) -> set[str]:
        """Columns that the expectation looks at; empty if it is about the table as a whole."""
        named = [self.kwargs.get(argument, []) for argument in _COLUMNS]
        return {column for names in named for column in ([names] if isinstance(names, str) else names)}

    @property
    def parameters(self) -> set[str]:
        """Names of the $PARAMETERs in the arguments."""
        expressions = [v["$PARAMETER"] for v in self.kwargs.values() if isinstance(v, dict) and "$PARAMETER" in v]
        return {name for expression in expressions for name in _NAME.findall(expression)}


@dataclass(frozen=True)
class Suite:
    """The expectations of one table. rows: whether they validate the rows written or the whole table."""

    rows: Rows
    expectations: tuple[Expectation, ...]

    @property
    def columns(self) -> set[str]:
        """Names of all columns in the suite."""
        return {column for e in self.expectations for column in e.columns}

    @property
    def parameters(self) -> set[str]:
        """Names of all $PARAMETERs in the suite."""
        return {name for e in self.expectations for name in e.parameters}


@cache
def suites() -> Mapping[str, Suite]:
    """All suites, by table. Raises SettingsError, naming the entry, if one is malformed."""
    return parse((files("expectations") / "suites.yml").read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, Suite]:
    """Parse the text of a suites.yml into suites by table. Raises SettingsError, naming the malformed entry."""
    return {table: _suite(table, entry) for table, entry in yaml.safe_load(text).items()}


def _suite(table: str, entry: Any) -> Suite:
    where = f"suites.yml, {table}"
    if table not in TABLES:
        raise SettingsError(f"{where}: there is no such table; there are {', '.join(TABLES)}")
    if not isinstance(entry, dict) or set(entry) != {"rows", "expectations"} or entry["rows"] not in get_args(Rows):
        raise SettingsError(f"{where}: give rows, one of {' and '.join(get_args(Rows))}, and expectations")
    return Suite(entry["rows"], tuple(_expectation(table, raw) for raw in entry["expectations"]))


def _expectation(table: str, raw: Any) -> Expectation:
    where = f"suites.yml, {table}, {raw.get('type', raw) if isinstance(raw, dict) else raw}"
    if not isinstance(raw, dict) or set(raw) != _KEYS or not isinstance(raw["kwargs"], dict) or not raw["notes"]:
        raise SettingsError(f"{where}: give type, kwargs, severity and notes")
    if raw["severity"] not in get_args(Severity):
        raise SettingsError(f"{where}: severity is {raw['severity']}, not one of {', '.join(get_args(Severity))}")
    expectation = Expectation(**raw)
    legal = {c.name for c in TABLES[table].columns if not c.type.startswith(("array", "binary"))}
    for column in sorted(expectation.columns - legal - DERIVED.get(table, {}).keys()):
        raise SettingsError(f"{where}: {column} is not one of the columns {', '.join(sorted(legal))}")
    for name in sorted(expectation.parameters - PARAMETERS.keys()):
        raise SettingsError(f"{where}: there is no $PARAMETER {name} (expectations/parameters.py has them)")
    return expectation
