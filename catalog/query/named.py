"""The queries included with Fruitlake: catalog/queries/*.sql, described by their first lines.

-- <what it returns>
-- Grain: <one row per …>
-- Parameters, one per question mark, in order:
--   <name>[ (default '<text>')]: <meaning>
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import QueryError

_QUERIES = Path(__file__).parents[1] / "queries"
_PARAMETER = re.compile(r"^--   (?P<name>\w+)(?: \(default '(?P<default>.*)'\))?: (?P<meaning>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query, always text; default is None if it is required."""

    name: str
    meaning: str
    default: str | None


@dataclass(frozen=True)
class NamedQuery:
    """A file of catalog/queries; sql is its whole text, comments included."""

    name: str
    answers: str
    parameters: tuple[Parameter, ...]
    sql: str

    def values(self, given: Mapping[str, str]) -> list[str]:
        """Their values in the order of the question marks. Raises QueryError for an unknown or a missing parameter."""
        known = [p.name for p in self.parameters]
        for name in given:
            if name not in known:
                raise QueryError(f"{self.name} has no parameter '{name}': it takes {', '.join(known) or 'none'}")
        values = []
        for parameter in self.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is None:
                option = f"--{parameter.name.replace('_', '-')}"
                raise QueryError(f"{self.name} needs {parameter.name}, {parameter.meaning}: give {option}")
            values.append(value)
        return values


def named_queries() -> list[NamedQuery]:
    """All queries, sorted by name."""
    queries = []
    for path in sorted(_QUERIES.glob("*.sql")):
        sql = path.read_text("utf-8")
        answers = sql.split("\n", 1)[0].removeprefix("-- ")
        parameters = tuple(Parameter(m["name"], m["meaning"], m["default"]) for m in _PARAMETER.finditer(sql))
        queries.append(NamedQuery(path.stem, answers, parameters, sql))
    return queries


def named_query(name: str) -> NamedQuery:
    """The query with this name, with hyphens or underscores. Raises QueryError if there is none."""
    queries = {q.name: q for q in named_queries()}
    if query := queries.get(name.replace("-", "_")):
        return query
    raise QueryError(f"there is no query '{name}': choose one of {', '.join(queries)}, or write your own with --sql")
