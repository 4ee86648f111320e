"""Size the embedded Spark by the memory of this machine, or of the container that it runs in."""

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

_MIB: Final = 1024**2
_GIB: Final = 1024 * _MIB
_WORKER: Final = 768 * _MIB  # per slot: a worker needs this to decode a photo of 50 megapixels and turn it upright
_HEAP: Final = 512 * _MIB  # for Spark, and again per slot: it holds several copies of a photo of 64 MiB
_DRIVER: Final = _GIB  # for the driver's Python process and Java beside its heap
_LIMITS: Final = {"": "sys/fs/cgroup{}/memory.max", "memory": "sys/fs/cgroup/memory{}/memory.limit_in_bytes"}


def heap(memory: int) -> int:
    """Heap size of the embedded JVM in bytes: a quarter of the memory, or what its task slots need; at most 8 GiB."""
    return min(max(memory // 4, _HEAP * (1 + _slots(memory))), 8 * _GIB)


def local_master(memory: int) -> str:
    """Spark master with a task slot per core, but only as many as have memory for a photo."""
    slots = _slots(memory)
    return f"local[{slots}]" if slots < (os.cpu_count() or 1) else "local[*]"  # Java knows a container's share of cores


def _slots(memory: int) -> int:
    return max(1, min(os.cpu_count() or 1, (memory - _DRIVER - _HEAP) // (_WORKER + _HEAP)))


def machine_memory(root: Path = Path("/")) -> int:
    """Memory this process may use, in bytes: the machine's, or the smallest limit of its control groups (v1 or v2)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError):  # no control groups
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            for above in (PurePosixPath(group), *PurePosixPath(group).parents):
                # in a container the group's path is the host's, and of its parents only / is visible
                with suppress(KeyError, OSError, ValueError):  # other controllers; no such folder; no limit ("max")
                    memory = min(memory, int((root / _LIMITS[controllers].format(above)).read_text()))
    return memory
