"""Measure peak memory of the JVM and of the largest Python worker, from Linux's high-water marks."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_PROC = Path("/proc")


class PeakMemory:
    """Context manager that watches this process's JVM and its workers. Peaks in MB; 0 if there is no /proc."""

    def __init__(self) -> None:
        self.jvm = 0.0
        self.worker = 0.0
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(2):  # Linux keeps the peaks; each look takes a few milliseconds of CPU
            children = _children()
            for process in children.get(os.getpid(), []):
                name, peak = name_and_peak(process)
                if name == "java":
                    workers = [name_and_peak(worker)[1] for worker in _below(process, children)]
                    self.jvm, self.worker = max(self.jvm, peak), max([self.worker, *workers])


def _children() -> dict[int, list[int]]:
    """Process ids of the children of each process."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it has ended in the meantime
            continue
        children.setdefault(parent, []).append(int(entry.name))
    return children


def _below(root: int, children: dict[int, list[int]]) -> list[int]:
    found = children.get(root, [])
    return found + [below for child in found for below in _below(child, children)]


def name_and_peak(process: int) -> tuple[str, float]:
    """Name and peak resident size of a process in MB; "" and 0.0 if it has ended.

    getrusage's ru_maxrss is unsuitable: a process inherits it from its parent.
    """
    try:
        lines = (_PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return "", 0.0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return fields["Name"].strip(), int(fields.get("VmHWM", "0 kB").split()[0]) / 1000
