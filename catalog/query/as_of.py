"""Resolve --as-of: the time as of which a query reads every table.

a time ──────────────────────────┐
a snapshot, or a run ──history──▶ time ──▶ each table's snapshot that readers saw at that time
"""

import re
from datetime import UTC, datetime

from catalog.errors import QueryError
from catalog.lake import Lake
from catalog.snapshots import Snapshot, publications, run_ends
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
    if as_of and (published := publications(table, lake.load(table))):
        raise QueryError(
            f"{table} has no version as of {_iso(as_of)}: the oldest that is kept became current at "
            f"{_iso(published[0][0])}, see `fruitlake catalog history {table}`"
        )
    raise QueryError(
        f"the lake has no table {table}: it has {', '.join(lake.tables())}"
        + (" so far; `fruitlake run` builds the others" if table in TABLES else "")
    )


def _became_current(text: str, lake: Lake) -> datetime:
    """When the snapshot, or the last one of the run, first became current."""
    published = {table: found for table in TABLES if (found := publications(table, lake.load(table)))}
    first = {table: {snapshot.id: time for time, snapshot in reversed(found)} for table, found in published.items()}
    moments = run_ends(published.values()) | {str(id_): time for ids in first.values() for id_, time in ids.items()}
    if text not in moments:
        known = [f"{table} {', '.join(map(str, [*ids][:_SHOWN]))}" for table, ids in first.items()]
        raise QueryError(
            f"--as-of cannot be '{text}': give a time such as 2026-11-22T18:45 (UTC unless it says otherwise), a run, "
            f"or a snapshot: {'; '.join(known) or 'the lake has none yet'}"
        )
    return moments[text]


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
