"""Spark's work folders on this machine. They hold photos while a run is in progress, and must not be left behind.

work_folder()  makes one, locked until its process ends, then removed
sweep()        removes those of killed processes; called at every start of Spark and after every erasure
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from catalog.storage import try_lock

_PREFIX = "fruitlake-spark-"


def work_folder() -> str:
    """Make a new folder, owned by this process."""
    sweep()
    while True:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
        held = _hold(folder)
        if held is not None and os.path.isdir(folder):  # no other process swept it before it was locked
            atexit.register(os.close, held)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            return folder


def sweep() -> None:
    """Remove the folders of processes that were killed; folders of other users are left alone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        held = _hold(str(folder))
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _hold(folder: str) -> int | None:
    """Lock the folder. Returns the descriptor, or None if another process holds it or it cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    if try_lock(handle):
        return handle
    os.close(handle)
    return None
