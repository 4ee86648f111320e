"""A lake in a folder: Iceberg's JDBC catalog on SQLite, and file locks between the processes that work on it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyiceberg.table import Table as IcebergTable
from sqlalchemy.engine import URL

from catalog.errors import BusyError, CatalogError
from catalog.file_lock import try_lock
from catalog.lake import Lake
from catalog.storage import delete_file, write_check_folder

_BUSY_MS = 30_000  # how long a writer of the SQLite file waits for another one


class FolderLake(Lake):
    """A lake in a folder, with an SQLite catalog next to its tables."""

    locks = True
    default_engine = "duckdb"

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
        if loaded and not self._other_catalog and not _same_place(loaded.location(), self.location(table)):
            raise CatalogError(
                f"the lake '{self.uri}' is a copy, or was moved: its files are still those of '{loaded.location()}'; "
                "Iceberg names files by absolute path, so move it back, or run again from the photos"
            )
        return loaded

    def check_place(self, allowed_regions: Collection[str]) -> None:
        """Always allowed: a folder is on this machine."""

    def check_writable(self) -> None:
        """Raise CatalogError if the folder, or the nearest existing parent, cannot be written."""
        folder = write_check_folder(self.uri)
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise self._not_writable(error) from error

    @contextmanager
    def in_use(self) -> Iterator[bool]:
        """A shared lock on `<lake>/.lock`."""
        with self._lock_file() as lock:
            with self._entering():
                alone = try_lock(lock, fcntl.LOCK_EX)
                if alone and not self._other_catalog:
                    _ = self.catalog  # creates the database, which two processes must not do at the same time
                if not try_lock(lock, fcntl.LOCK_SH):
                    raise BusyError(
                        f"'{self.uri}' is locked by `fruitlake vacuum` or `erase`: run again when it has ended"
                    )
            yield alone

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """An exclusive lock on `<lake>/.lock`."""
        with self._lock_file() as lock:
            if not try_lock(lock, fcntl.LOCK_EX):
                raise BusyError(f"'{self.uri}' is in use by a run: try again when it has ended")
            yield

    @contextmanager
    def _entering(self) -> Iterator[None]:
        """Let one run start at a time, because each briefly holds the exclusive lock while it starts."""
        folder = os.open(self.uri, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextmanager
    def _lock_file(self) -> Iterator[int]:
        """Open the lock file. The kernel releases its lock when the process ends, however it ends."""
        try:
            os.makedirs(self.uri, exist_ok=True)
            handle = os.open(f"{self.uri}/.lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            yield handle
        finally:
            os.close(handle)

    def describe(self) -> str:
        """The folder."""
        return self.uri

    def delete_versions(self) -> int:
        """Nothing to delete: a disk keeps no versions."""
        return 0

    def delete_permanently(self, uri: str) -> None:
        """Delete the file."""
        delete_file(uri)

    def check_versions_deletable(self) -> None:
        """A disk keeps no versions."""

    def _not_writable(self, error: OSError) -> CatalogError:
        reason = error.strerror or str(error)
        return CatalogError(f"the lake '{self.uri}' cannot be written ({reason}): give --lake a folder you own")

    def _pyiceberg_properties(self) -> dict[str, str]:
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

    def _spark_io(self) -> dict[str, str]:
        return {}


def _same_place(one: str, other: str) -> bool:
    """Whether two paths lead to the same folder, also through symbolic links."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)
