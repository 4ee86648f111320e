"""Published snapshots of a table: Iceberg snapshots that were `main`, with the facts stored in their summaries."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

ROWS_OF = "rows_of"  # of a compacted table: the snapshot with the same rows
PROPERTY = "fruitlake."  # prefix of our facts in a snapshot's summary

_KEEPS_ROWS = ("append", "replace")  # operations of Iceberg


def new_run_id() -> str:
    """A new run id, also the name of its batch and branches; ids sort by time: `20261122T184501-9f3c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Snapshot:
    """One published snapshot of a table.

    Attributes:
        id: Iceberg's snapshot id.
        run: id of the run that published it.
        created_at: when it was committed, UTC.
        rows: rows of the whole table in this snapshot; size: bytes of its data files.
        properties: the run's facts: model_id, pca_id, audit, audit_result, rows_added, producer, …
    """

    table: str
    id: int
    run: str
    created_at: datetime
    rows: int
    size: int
    properties: Mapping[str, str]

    @property
    def rows_added(self) -> int:
        """Number of rows that this snapshot added; all of its rows if the summary does not say."""
        return int(self.properties.get("rows_added", self.rows))

    @property
    def rows_id(self) -> int:
        """Id of the first snapshot with these rows: compacting a table gives it another id."""
        return int(self.properties.get(ROWS_OF, self.id))


def current_of(table: str, loaded: IcebergTable | None) -> Snapshot | None:
    """The current snapshot; None if the table was never published."""
    found = loaded.current_snapshot() if loaded else None
    return _snapshot(table, found) if found else None


def publications(table: str, loaded: IcebergTable | None) -> list[tuple[datetime, Snapshot]]:
    """(time, snapshot) for each change of `main`, including rollbacks; oldest first."""
    logged = [(entry, loaded.snapshot_by_id(entry.snapshot_id)) for entry in loaded.history()] if loaded else []
    return [(utc(entry.timestamp_ms), _snapshot(table, found)) for entry, found in logged if found]


def run_ends(tables: Iterable[Sequence[tuple[datetime, Snapshot]]]) -> dict[str, datetime]:
    """When each run published its last snapshot, by run id, from the publications of tables; rollbacks do not count.

    Nor do compactions, which keep the id of an earlier run, unless nothing else is left of that run.
    """
    ends: dict[str, datetime] = {}
    compacted: dict[str, datetime] = {}
    for published in tables:
        first_seen = {snapshot.id: (moment, snapshot) for moment, snapshot in reversed(published)}
        for moment, snapshot in first_seen.values():
            into = compacted if ROWS_OF in snapshot.properties else ends
            into[snapshot.run] = max(moment, into.get(snapshot.run, moment))
    return compacted | ends


def history_of(table: str, loaded: IcebergTable | None) -> list[Snapshot]:
    """The published snapshots that still exist, latest first."""
    return list({version.id: version for _, version in reversed(publications(table, loaded))}.values())


def as_of(table: str, loaded: IcebergTable | None, moment: datetime) -> Snapshot | None:
    """The snapshot that was current at a given time; None if there was none, or it has expired."""
    until = round(moment.timestamp() * 1000)  # rounded: as a float, an entry's own moment may be slightly before it
    found = loaded.snapshot_as_of_timestamp(until) if loaded else None
    return _snapshot(table, found) if found else None


def rows_appended(metadata: TableMetadata, first: int, last: int) -> int | None:
    """Rows added between two snapshots; None if rows were changed or deleted, or a snapshot in between has expired."""
    at = metadata.snapshot_by_id(last)
    while at and at.snapshot_id != first and at.summary and at.summary.operation.value in _KEEPS_ROWS:
        at = metadata.snapshot_by_id(at.parent_snapshot_id) if at.parent_snapshot_id else None
    if at is None or at.snapshot_id != first:
        return None
    before, after = (_snapshot("", found).rows for found in (at, metadata.snapshot_by_id(last)) if found)
    return after - before


def _snapshot(table: str, found: IcebergSnapshot) -> Snapshot:
    summary = found.summary.additional_properties if found.summary else {}
    facts = {name.removeprefix(PROPERTY): value for name, value in summary.items() if name.startswith(PROPERTY)}
    rows, size = int(summary.get("total-records", 0)), int(summary.get("total-files-size", 0))
    return Snapshot(table, found.snapshot_id, facts.get("run_id", ""), utc(found.timestamp_ms), rows, size, facts)


def utc(milliseconds: int) -> datetime:
    """A time of Iceberg, in milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
