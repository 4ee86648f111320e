"""Advisory locks on files and folders, which the kernel releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file without waiting, or change the kind of its lock. False if another lock is in the way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
