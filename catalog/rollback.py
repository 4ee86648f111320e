"""Roll one table back to an older snapshot, or every table to its state after a run. Starts no JVM."""

from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.snapshots import ROWS_OF, Snapshot, as_of, publications, run_ends
from catalog.storage import delete_folder
from catalog.tables import TABLES

_NAMED = 5  # runs that an error lists


def rollback_table(lake: Lake, table: str, snapshot_id: int | str) -> Snapshot:
    """Make an older snapshot of a table the current one; newer ones stay in the history.

    Raises CatalogError if the table has no such snapshot.
    """
    history = lake.history(table)
    found = next((s for s in history if str(s.id) == str(snapshot_id)), None)
    if found is None:
        known = ", ".join(str(s.id) for s in history) or "none"
        raise CatalogError(
            f"{table} has no snapshot {snapshot_id}, only {known}: see `fruitlake catalog history {table}`"
        )
    _make_current(lake, table, found)
    return found


def state_after(lake: Lake, run_id: str) -> dict[str, Snapshot | None]:
    """Every table's snapshot at the time when the run published its last table; None for tables created later.

    Raises CatalogError for a run that is not in the history, and for a table whose snapshot of that time has expired.
    """
    published = {name: table for name in TABLES if (table := lake.load(name)) and table.history()}
    ends = run_ends(publications(name, table) for name, table in published.items())
    if run_id not in ends:
        latest = ", ".join(sorted(ends)[-_NAMED:]) or "none"
        raise CatalogError(f"no run '{run_id}' is in the lake's history, whose latest are: {latest}")
    state: dict[str, Snapshot | None] = {}
    for name, table in published.items():
        state[name] = as_of(name, table, ends[run_id])
        if state[name] is None:
            _, oldest = publications(name, table)[0]
            compacted = ROWS_OF in oldest.properties
            made_later = oldest.properties.get("first") == "true" and not compacted
            if compacted and oldest.run <= run_id:
                state[name] = oldest  # it has the rows of that time, and its original has been expired
            elif not made_later:
                raise CatalogError(f"the version of {name} after the run {run_id} has been expired: choose a later run")
    return state


def rollback_lake(lake: Lake, run_id: str) -> dict[str, Snapshot | None]:
    """Roll every table back to its state after a run; tables created later are dropped, for the next run to build."""
    state = state_after(lake, run_id)
    for table, snapshot in state.items():
        if snapshot is None:
            lake.catalog.drop_table(lake.identifier(table))
            delete_folder(lake.location(table))  # vacuum and erase only look at tables that exist
        elif snapshot != lake.current(table):
            _make_current(lake, table, snapshot)
    return state


def _make_current(lake: Lake, table: str, snapshot: Snapshot) -> None:
    loaded = lake.load(table)
    assert loaded is not None  # it has a history
    loaded.manage_snapshots().set_current_snapshot(snapshot_id=snapshot.id).commit()
