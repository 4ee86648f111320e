"""Who works on a lake in a folder: any number of runs, or one that erases or vacuums. The kernel keeps the lock.

    working(lake)   runs: they write new folders and disturb nobody
    alone(lake)     erase, vacuum: they remove, so nobody may be writing what looks abandoned, or reading what goes

However a process ends, its lock ends with it. S3 has no such thing: there `vacuum` goes by age, and `erase` asks that
no run is under way.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.errors import BusyError, CatalogError
from catalog.storage import is_remote


@contextmanager
def working(lake: str) -> Iterator[None]:
    """Raises BusyError while somebody is alone with the lake."""
    with _held(lake, fcntl.LOCK_SH, "is being vacuumed or photos are erased from it: run again when that is done"):
        yield


@contextmanager
def alone(lake: str) -> Iterator[None]:
    """Raises BusyError while anybody works on the lake."""
    with _held(lake, fcntl.LOCK_EX, "is in use by a run: try again when it is done, or stop it first"):
        yield


@contextmanager
def _held(lake: str, kind: int, busy: str) -> Iterator[None]:
    if is_remote(lake):
        yield
        return
    path = Path(lake) / "_catalog" / "runs.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CatalogError(f"the lake '{lake}' cannot be written ({reason}): give --lake a folder you own") from error
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"the lake '{lake}' {busy}") from error
        yield
    finally:
        os.close(handle)
