"""The result of a query."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Answer:
    """The result of a query: rows as Arrow, the engine's time in seconds, and facts to print, such as the cost."""

    rows: pa.Table
    engine: str
    seconds: float
    facts: tuple[str, ...] = ()
