"""Facts that only the run itself knows, stored as runs/<run id>.json so that the page can be rendered again."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from pydantic import TypeAdapter

from catalog.lake import Lake
from ingestion.counts import Conflict, Counts


@dataclass(frozen=True)
class TableOutcome:
    """One table after the run. added: None if the run left it unchanged; seconds: None if not measured."""

    table: str
    snapshot: str
    rows: int
    added: int | None
    seconds: float | None


@dataclass(frozen=True)
class RunFacts:
    """The facts of one run. photos: None if the run read none; failure: error message if the run stopped."""

    id: str
    tables: tuple[TableOutcome, ...]
    photos: Counts | None = None
    conflicts: tuple[Conflict, ...] = ()  # the first few only
    failure: str | None = None
    ended_at: str = ""  # UTC, ISO 8601

    def to_json(self) -> str:
        """Serialize the facts for the JSON file next to the page."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the facts that `to_json` wrote."""
        return TypeAdapter(cls).validate_json(text)


def facts_of(lake: Lake) -> RunFacts:
    """Facts of the last run that published something, from the catalog alone: no durations, no photo counts."""
    snapshots = lake.current_snapshots().values()
    last = max((s.run for s in snapshots), default="")
    tables = tuple(
        TableOutcome(s.table, str(s.id), s.rows, s.rows_added if s.run == last else None, None) for s in snapshots
    )
    ended = max((s.created_at.isoformat(timespec="seconds") for s in snapshots), default="")
    return RunFacts(last, tables, ended_at=ended)
