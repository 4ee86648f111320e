"""The snapshots a catalog knows: one immutable JSON file each, on a disk or in a bucket.

<lake>/_catalog/<table>/<snapshot id>.json

Which of them readers see is not said here: that is a catalog's pointer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from posixpath import basename

from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.snapshot import Snapshot
from catalog.storage import delete_file, files, read_bytes, write_object

log = logging.getLogger(__name__)
_AT_ONCE = 16  # entries read at a time: in a bucket each takes tens of milliseconds
_DAMAGED = (OSError, ValueError, TypeError, KeyError)  # what reading an entry raises that is not as we wrote it


class Entries:
    """pointer names the place that a person would write another snapshot's id into, given a table."""

    def __init__(self, lake: str, pointer: Callable[[str], str]) -> None:
        self._root = f"{lake}/_catalog"
        self._pointer = pointer

    def ids(self, table: str) -> list[str]:
        """Ids of the table's snapshots, newest first."""
        names = [basename(f.path) for f in files(f"{self._root}/{table}")]
        return sorted((n.removesuffix(".json") for n in names if n.endswith(".json")), reverse=True)

    def history(self, table: str, whole: bool = False) -> list[Snapshot]:
        """The table's snapshots, newest first.

        A damaged entry is named in a warning and left out. Raises CatalogError for it if the history must be whole.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda id_: self._older(table, id_), self.ids(table)))
        for damage in (d for d in found if isinstance(d, CatalogError)):
            if whole:
                raise damage
            log.warning("%s", damage)
        return [snapshot for snapshot in found if isinstance(snapshot, Snapshot)]

    def load(self, table: str, snapshot_id: str) -> Snapshot:
        """Raises CatalogError if there is no such entry, or it is damaged."""
        try:
            return self._read(table, snapshot_id)
        except _DAMAGED as error:
            raise CatalogError(
                f"the catalog entry {self._path(table, snapshot_id)} cannot be read ({error}): restore it, or write "
                f"the id of another snapshot of {table} into {self._pointer(table)}"
            ) from error

    def find(self, table: str, snapshot_id: str) -> Snapshot:
        """The snapshot a person asks for by its id. Raises CatalogError, with the ids there are, for another one."""
        known = self.ids(table)
        if snapshot_id not in known:
            raise CatalogError(f"{table} has no snapshot '{snapshot_id}': choose one of {', '.join(known) or '(none)'}")
        return self.load(table, snapshot_id)

    def save(self, snapshot: Snapshot) -> None:
        write_object(self._path(snapshot.table, snapshot.id), snapshot.to_json().encode())

    def remove(self, table: str, snapshot_id: str) -> None:
        """Take a snapshot out of the history; its files are not touched."""
        delete_file(self._path(table, snapshot_id))

    def remove_all(self, table: str) -> None:
        for snapshot_id in self.ids(table):
            self.remove(table, snapshot_id)

    def _older(self, table: str, snapshot_id: str) -> Snapshot | CatalogError | None:
        """An entry of the history, or what is wrong with it; None if it was removed since it was listed."""
        try:
            return self._read(table, snapshot_id)
        except FileNotFoundError:
            return None
        except _DAMAGED as error:
            return CatalogError(
                f"the catalog entry {self._path(table, snapshot_id)} cannot be read ({error}): restore it, or, if the "
                f"snapshot is not the current one of {table}, remove the entry"
            )

    def _read(self, table: str, snapshot_id: str) -> Snapshot:
        snapshot = Snapshot.from_json(read_bytes(self._path(table, snapshot_id)).decode())
        if (snapshot.table, snapshot.id) != (table, snapshot_id):
            raise ValueError(f"it is the entry of {snapshot.id} of {snapshot.table}")
        return snapshot

    def _path(self, table: str, snapshot_id: str) -> str:
        return f"{self._root}/{table}/{snapshot_id}.json"


def check_parent(snapshot: Snapshot, current: str | None) -> None:
    """Raise ConcurrentPublishError unless the snapshot was made of the one that is current."""
    if snapshot.parent != current:
        raise ConcurrentPublishError(
            f"{snapshot.table} was published by another run ({current or 'none'}) "
            f"while this one worked from {snapshot.parent or 'an empty table'}: run again, "
            "what is already there is kept and not done twice"
        )


def check_forgettable(snapshot: Snapshot, current: Snapshot | None) -> None:
    """Raise CatalogError for the snapshot that readers see."""
    if current is not None and snapshot.id == current.id:
        raise CatalogError(f"{snapshot.id} is what readers of {snapshot.table} see: it cannot be forgotten")
