"""Where Spark works on this machine: photos lie there while a run is under way, and must not lie there afterwards.

work_folder() ──held by a lock until its process ends, then removed──▶ sweep() removes those of processes that were
                                                                       killed: every start of Spark, every erasure
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "fruitlake-spark-"


def work_folder() -> str:
    """A new folder, this process's own."""
    sweep()
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        held = _hold(folder)
        if held is not None and os.path.isdir(folder):  # nobody swept it before it was held
            atexit.register(os.close, held)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            return folder


def sweep() -> None:
    """Remove the folders of processes that have ended without doing it themselves; other people's are left alone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        held = _hold(str(folder))
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _hold(folder: str) -> int | None:
    """Lock the folder until the descriptor is closed; None if another process holds it, or may."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
