"""What a query gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Answer:
    """rows as Arrow; seconds the engine took; facts: what else a person should know, such as the cost."""

    rows: pa.Table
    engine: str
    seconds: float
    facts: tuple[str, ...] = ()


class Engine(Protocol):
    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        """Run one SELECT in Athena's SQL; the values take the question marks' places, in order.

        Raises QueryError if the engine refuses or fails.
        """
