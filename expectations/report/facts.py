"""What only the run itself knows. It is stored as runs/<run id>.json, so that the page can be made again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from catalog.protocol import Catalog


@dataclass(frozen=True)
class TableOutcome:
    """One table after the run. added is None if the run left it as it was, seconds if nobody measured."""

    table: str
    snapshot: str
    rows: int
    added: int | None
    seconds: float | None


@dataclass(frozen=True)
class PhotoCounts:
    """inputs = stored + duplicates + quarantined."""

    inputs: int
    stored: int
    duplicates: int
    quarantined: int


@dataclass(frozen=True)
class RunFacts:
    """photos is None for a run that read none; failure is the message of a run that stopped."""

    id: str
    tables: tuple[TableOutcome, ...]
    photos: PhotoCounts | None = None
    failure: str | None = None
    ended_at: str = ""  # UTC, ISO 8601

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RunFacts:
        raw: dict[str, Any] = json.loads(text)
        raw["tables"] = tuple(TableOutcome(**t) for t in raw["tables"])
        raw["photos"] = PhotoCounts(**raw["photos"]) if raw["photos"] else None
        return cls(**raw)


def facts_of(catalog: Catalog) -> RunFacts:
    """The last publishing run, as far as the catalog tells: no seconds, no counts of photos."""
    snapshots = [s for name in catalog.tables() if (s := catalog.current(name))]
    last = max((s.id for s in snapshots), default="")
    tables = tuple(
        TableOutcome(s.table, s.id, s.rows, int(s.parameters.get("rows_added", s.rows)) if s.id == last else None, None)
        for s in snapshots
    )
    ended = max((s.created_at for s in snapshots), default="")
    return RunFacts(last, tables, ended_at=ended)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
