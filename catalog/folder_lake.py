"""A lake in a folder: Iceberg's JDBC catalog on SQLite, and file locks between the processes that work on it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from catalog.errors import BusyError, CatalogError
from catalog.lake import Lake
from catalog.storage import try_lock

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

_BUSY_MS = 30_000  # how long a writer of the SQLite file waits for another one


class FolderLake(Lake):
    """A lake in a folder, with an SQLite catalog next to its tables."""

    locks = True

    @property
    def database(self) -> str:
        """The SQLite file of the catalog."""
        return f"{self.uri}/catalog.db"

    def has_catalog(self) -> bool:
        """Whether the catalog's SQLite file exists, or another catalog is configured."""
        return bool(self._other_catalog) or os.path.exists(self.database)

    def load(self, table: str) -> IcebergTable | None:
        """Load the table from the catalog; raises CatalogError if the lake's folder was moved or copied."""
        if not self.has_catalog():  # opening it would create an empty database
            return None
        loaded = super().load(table)
        if loaded is None or self._other_catalog:
            return loaded
        if os.path.realpath(loaded.location()) != os.path.realpath(self.location(table)):
            raise CatalogError(
                f"the lake '{self.uri}' is a copy, or was moved: its files are still those of '{loaded.location()}'; "
                "Iceberg names files by absolute path, so move it back, or run again from the photos"
            )
        return loaded

    def check_writable(self) -> None:
        """Raise CatalogError if the folder, or the nearest existing parent, cannot be written."""
        folder = next(folder for folder in (Path(self.uri), *Path(self.uri).parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise self._not_writable(error) from error

    @contextmanager
    def in_use(self) -> Iterator[bool]:
        """A shared lock on `<lake>/.lock`."""
        with self._lock_file() as lock:
            folder = os.open(self.uri, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)  # one run starts at a time: each briefly holds the exclusive lock
                alone = try_lock(lock.fileno(), fcntl.LOCK_EX)
                if alone and not self._other_catalog:
                    _ = self.catalog  # creates the database, which two processes must not do at the same time
                if not try_lock(lock.fileno(), fcntl.LOCK_SH):
                    raise BusyError(
                        f"'{self.uri}' is locked by `fruitlake vacuum` or `erase`: run again when it has ended"
                    )
            finally:
                os.close(folder)
            yield alone

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """An exclusive lock on `<lake>/.lock`."""
        with self._lock_file() as lock:
            if not try_lock(lock.fileno(), fcntl.LOCK_EX):
                raise BusyError(f"'{self.uri}' is in use by a run: try again when it has ended")
            yield

    def _lock_file(self) -> BinaryIO:
        """Open the lock file. The kernel releases its lock when the process ends, however it ends."""
        try:
            os.makedirs(self.uri, exist_ok=True)
            return open(f"{self.uri}/.lock", "ab")
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> CatalogError:
        reason = error.strerror or str(error)
        return CatalogError(f"the lake '{self.uri}' cannot be written ({reason}): give --lake a folder you own")

    def _pyiceberg_properties(self) -> dict[str, str]:
        from sqlalchemy.engine import URL  # like PyIceberg, only when the catalog is opened

        Path(self.uri).mkdir(parents=True, exist_ok=True)
        url = URL.create("sqlite", database=self.database, query={"timeout": str(_BUSY_MS // 1000)})
        return {"type": "sql", "uri": url.render_as_string(), "warehouse": self.uri}

    def _spark_catalog(self) -> dict[str, str]:
        return {
            "type": "jdbc",
            "uri": f"jdbc:sqlite:{self.database}",
            "jdbc.schema-version": "V1",
            "jdbc.busy_timeout": str(_BUSY_MS),
        }
