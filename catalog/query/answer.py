"""The result of a query, and the interface of query engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Answer:
    """The result of a query: rows as Arrow, the engine's time in seconds, and facts to print, such as the cost."""

    rows: pa.Table
    engine: str
    seconds: float
    facts: tuple[str, ...] = ()


class Engine(Protocol):
    """A query engine: Athena or DuckDB."""

    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        """Run one SELECT in Athena's SQL; the values replace the question marks, in order. Raises QueryError."""
