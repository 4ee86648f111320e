"""The figures of one bench run: a table for people, JSON for machines."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.memory import PeakMemory

_WORKER_MB = 500  # what a Python worker may take


@dataclass(frozen=True)
class Figure:
    """One line. goal is the ratio to reach: at least it, or at most it where `at_most`."""

    name: str
    value: str
    ratio: float | None = None
    of: str = ""
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.ratio is None or self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


@dataclass
class Report:
    count: int
    counted: str = "photos"
    figures: list[Figure] = field(default_factory=list)
    machine: str = field(default_factory=_machine)

    def add(
        self,
        name: str,
        value: str,
        ratio: float | None = None,
        of: str = "",
        goal: float | None = None,
        at_most: bool = False,
    ) -> None:
        self.figures.append(Figure(name, value, ratio, of, goal, at_most))

    def add_memory(self, memory: PeakMemory, at: str = "") -> None:
        """Add the peaks so far; without `at`, the worker's is compared with the goal."""
        if not memory.jvm:
            return self.add("peak memory", "not measured: there is no /proc")
        self.add(f"peak memory, JVM{at}", f"{memory.jvm:,.0f} MB")
        share, goal = memory.worker / _WORKER_MB, None if at else 1
        self.add(f"peak memory, worker{at}", f"{memory.worker:,.0f} MB", share, f"of {_WORKER_MB} MB", goal, True)

    def show(self, console: Console) -> None:
        table = Table("what", "measured", "ratio", "goal", title=f"{self.count:,} {self.counted} on {self.machine}")
        table.title_justify = "left"
        for f in self.figures:
            ratio = "" if f.ratio is None else f"{f.ratio:.2f} {f.of}"
            goal = "" if f.goal is None else f"{'≤' if f.at_most else '≥'} {f.goal:g}"
            style = {True: "green", False: "red", None: ""}[f.met]
            table.add_row(f.name, f.value, ratio, goal, style=style)
        console.print(table)

    def write(self, path: Path) -> None:
        figures = [asdict(f) | {"met": f.met} for f in self.figures]
        report = {"machine": self.machine, "count": self.count, "counted": self.counted, "figures": figures}
        path.write_text(json.dumps(report, indent=1))
