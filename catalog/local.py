"""The catalog of a lake in a local folder: JSON files, one atomic pointer a table.

<lake>/_catalog/<table>/<snapshot id>.json   immutable, see entries.py
<lake>/_catalog/<table>/CURRENT              the id readers follow, replaced atomically
<lake>/_catalog/lock                         held while a pointer moves
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.entries import Entries, check_forgettable, check_parent
from catalog.errors import CatalogError
from catalog.snapshot import Snapshot
from catalog.storage import write_atomically


class LocalCatalog:
    def __init__(self, lake: str) -> None:
        self._lake = lake
        self._root = Path(lake) / "_catalog"
        self._entries = Entries(lake, lambda table: str(self._pointer(table)))

    @property
    def lake(self) -> str:
        return self._lake

    def tables(self) -> list[str]:
        return sorted(p.parent.name for p in self._root.glob("*/CURRENT"))

    def current(self, table: str) -> Snapshot | None:
        pointer = self._pointer(table)
        if not pointer.exists():
            return None
        try:
            snapshot_id = pointer.read_text().strip()
        except (OSError, ValueError) as error:
            raise CatalogError(
                f"the catalog's pointer {pointer} cannot be read ({error}): "
                f"write the id of a snapshot of {table} into it"
            ) from error
        return self._entries.load(table, snapshot_id)

    def publish(self, snapshot: Snapshot) -> None:
        with self._locked():
            current = self.current(snapshot.table)
            check_parent(snapshot, current.id if current else None)
            self._entries.save(snapshot)
            try:
                self._point(snapshot)
            except BaseException:
                # its files are about to be removed: history must not offer it
                self._entries.remove(snapshot.table, snapshot.id)
                raise

    def history(self, table: str, whole: bool = False) -> list[Snapshot]:
        return self._entries.history(table, whole)

    def rollback(self, table: str, snapshot_id: str) -> Snapshot:
        snapshot = self._entries.find(table, snapshot_id)
        with self._locked():
            self._point(snapshot)
        return snapshot

    def forget(self, table: str, snapshot_id: str) -> None:
        with self._locked():
            check_forgettable(self._entries.find(table, snapshot_id), self.current(table))
            self._entries.remove(table, snapshot_id)

    def drop(self, table: str) -> None:
        with self._locked():
            self._pointer(table).unlink(missing_ok=True)  # first: a pointer must not lead to nothing
            self._entries.remove_all(table)

    def repair(self) -> None:
        """Nothing to mend: nobody but the pointer, which moves at once, says what is current."""

    def _point(self, snapshot: Snapshot) -> None:
        write_atomically(str(self._pointer(snapshot.table)), snapshot.id.encode())

    def _pointer(self, table: str) -> Path:
        return self._root / table / "CURRENT"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the kernel frees the lock when its process ends, however it ends."""
        self._root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._root / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
