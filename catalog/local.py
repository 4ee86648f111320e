"""The catalog of a lake in a local folder: JSON files, one atomic pointer a table.

<lake>/_catalog/<table>/<snapshot id>.json   immutable
<lake>/_catalog/<table>/CURRENT              the id readers follow, replaced atomically
<lake>/_catalog/lock                         held while a pointer moves
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.snapshot import Snapshot
from catalog.storage import write_atomically


class LocalCatalog:
    def __init__(self, lake: str) -> None:
        self._lake = lake
        self._root = Path(lake) / "_catalog"

    @property
    def lake(self) -> str:
        return self._lake

    def tables(self) -> list[str]:
        return sorted(p.parent.name for p in self._root.glob("*/CURRENT"))

    def current(self, table: str) -> Snapshot | None:
        pointer = self._root / table / "CURRENT"
        if not pointer.exists():
            return None
        try:
            snapshot_id = pointer.read_text().strip()
        except (OSError, ValueError) as error:
            raise CatalogError(
                f"the catalog's pointer {pointer} cannot be read ({error}): "
                f"write the id of a snapshot of {table} into it"
            ) from error
        return self._load(table, snapshot_id)

    def publish(self, snapshot: Snapshot) -> None:
        with self._locked():
            current = self.current(snapshot.table)
            if (current.id if current else None) != snapshot.parent:
                raise ConcurrentPublishError(
                    f"{snapshot.table} was published by another run ({current.id if current else 'none'}) "
                    f"while this one worked from {snapshot.parent or 'an empty table'}: run again, "
                    "what is already there is kept and not done twice"
                )
            entry = self._root / snapshot.table / f"{snapshot.id}.json"
            write_atomically(str(entry), snapshot.to_json().encode())
            try:
                write_atomically(str(entry.with_name("CURRENT")), snapshot.id.encode())
            except BaseException:
                entry.unlink()  # its files are about to be removed: history must not offer it
                raise

    def history(self, table: str) -> list[Snapshot]:
        ids = sorted((p.stem for p in (self._root / table).glob("*.json")), reverse=True)
        return [self._load(table, id_) for id_ in ids]

    def rollback(self, table: str, snapshot_id: str) -> Snapshot:
        known = [s.id for s in self.history(table)]
        if snapshot_id not in known:
            raise CatalogError(f"{table} has no snapshot '{snapshot_id}': choose one of {', '.join(known) or '(none)'}")
        with self._locked():
            write_atomically(str(self._root / table / "CURRENT"), snapshot_id.encode())
        return self._load(table, snapshot_id)

    def _load(self, table: str, snapshot_id: str) -> Snapshot:
        path = self._root / table / f"{snapshot_id}.json"
        try:
            return Snapshot.from_json(path.read_text())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CatalogError(
                f"the catalog entry {path} cannot be read ({error}): restore it, or write the id of "
                f"another snapshot of {table} into {path.parent / 'CURRENT'}"
            ) from error

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
