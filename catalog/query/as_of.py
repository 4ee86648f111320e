"""Resolve --as-of: the time as of which a query reads every table.

a time ──────────────────────────┐
a snapshot, or a run ──history──▶ time ──▶ each table's snapshot that readers saw at that time
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from catalog.errors import QueryError
from catalog.lake import Lake
from catalog.snapshots import Snapshot
from catalog.tables import TABLES

_ID = re.compile(r"\d{9,}|\d{8}T\d{6}-[0-9a-f]{4}")  # of snapshots and runs; fromisoformat accepts some of them
_SHOWN = 5  # snapshots of a table that an error lists


def moment_of(text: str, lake: Lake) -> datetime:
    """Resolve --as-of: an ISO 8601 time, or the time when a snapshot, or the last one of a run, became current.

    Raises QueryError for anything else, and for a time in the future.
    """
    try:
        if _ID.fullmatch(text):
            return _became_current(text, lake)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _became_current(text, lake)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > datetime.now(UTC):
        raise QueryError(f"--as-of {_iso(moment)} is in the future: leave it out to read the lake as it is now")
    return moment


def version(lake: Lake, table: str, as_of: datetime | None) -> Snapshot:
    """The snapshot of a table to read: the current one, or the one at as_of. Raises QueryError if there is none."""
    found = lake.as_of(table, as_of) if as_of else lake.current(table)
    if found:
        return found
    lake.check_published()
    if as_of and (seen := _since(lake, table)):
        raise QueryError(
            f"{table} has no version as of {_iso(as_of)}: the oldest that is kept became current at "
            f"{_iso(min(seen.values()))}, see `fruitlake catalog history {table}`"
        )
    raise QueryError(
        f"the lake has no table {table}: it has {', '.join(lake.tables())}"
        + (" so far; `fruitlake run` builds the others" if table in TABLES else "")
    )


def _became_current(text: str, lake: Lake) -> datetime:
    """When the snapshot, or the last one of the run, first became current."""
    found: list[datetime] = []
    known: list[str] = []
    for table in TABLES:
        since, history = _since(lake, table), lake.history(table)
        found += [since[s.id] for s in history if text in (str(s.id), s.run)]
        known += [f"{table} {', '.join(str(s.id) for s in history[:_SHOWN])}"] if history else []
    if not found:
        raise QueryError(
            f"--as-of cannot be '{text}': give a time such as 2026-11-22T18:45 (UTC unless it says otherwise), a run, "
            f"or a snapshot: {'; '.join(known) or 'the lake has none yet'}"
        )
    return max(found)


def _since(lake: Lake, table: str) -> dict[int, datetime]:
    """When each snapshot of the table first became current, by its id."""
    loaded = lake.load(table)
    since: dict[int, datetime] = {}
    for entry in loaded.metadata.snapshot_log if loaded else ():
        since.setdefault(entry.snapshot_id, datetime.fromtimestamp(entry.timestamp_ms / 1000, UTC))
    return since


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
