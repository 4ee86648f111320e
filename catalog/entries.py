"""The snapshots a catalog knows: one immutable JSON file each, on a disk or in a bucket.

<lake>/_catalog/<table>/<snapshot id>.json

Which of them readers see is not said here: that is a catalog's pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from posixpath import basename

from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.snapshot import Snapshot
from catalog.storage import delete_file, files, read_bytes, write_object

_AT_ONCE = 16  # entries read at a time: in a bucket each takes tens of milliseconds


class Entries:
    """pointer names the place that a person would write another snapshot's id into, given a table."""

    def __init__(self, lake: str, pointer: Callable[[str], str]) -> None:
        self._root = f"{lake}/_catalog"
        self._pointer = pointer

    def ids(self, table: str) -> list[str]:
        """Ids of the table's snapshots, newest first."""
        names = [basename(f.path) for f in files(f"{self._root}/{table}")]
        return sorted((n.removesuffix(".json") for n in names if n.endswith(".json")), reverse=True)

    def history(self, table: str) -> list[Snapshot]:
        """The table's snapshots, newest first."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda id_: self.load(table, id_), self.ids(table)))

    def load(self, table: str, snapshot_id: str) -> Snapshot:
        """Raises CatalogError if there is no such entry, or it is damaged."""
        path = self._path(table, snapshot_id)
        try:
            return Snapshot.from_json(read_bytes(path).decode())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CatalogError(
                f"the catalog entry {path} cannot be read ({error}): restore it, or write the id of "
                f"another snapshot of {table} into {self._pointer(table)}"
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
