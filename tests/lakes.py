"""A lake in a temporary folder, and the photos and settings to run it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import catalog.lake
from bootstrap import settings as settings_module
from bootstrap.pipeline import build, open_run
from bootstrap.settings import Settings
from catalog.scan import dataset
from tests.lake_copy import copy_lake
from transforms.run import Run


@dataclass(frozen=True)
class Lake:
    photos: Path
    path: Path
    cache: Path

    def settings(self, **options: object) -> Settings:
        given = {"images": str(self.photos), "lake": str(self.path), "cache": self.cache, "weights": "bundled"}
        return settings_module.load(**(given | options))

    def run(self, layer: str = "all", **options: object) -> Run:
        return build(self.settings(**options), layer, Console(quiet=True))

    @contextmanager
    def open(self, **options: object) -> Iterator[Run]:
        with open_run(self.settings(**options), Console(quiet=True)) as run:
            yield run

    @property
    def tables(self) -> catalog.lake.Lake:
        """The lake, opened anew."""
        return catalog.lake.open_lake(str(self.path))

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """The published rows."""
        rows: list[dict[str, Any]] = dataset(self.tables, table).to_table(list(columns) or None).to_pylist()
        return rows

    def copy(self, path: Path) -> Lake:
        """Copy the lake to another folder."""
        copy_lake(self.path, path)
        return Lake(self.photos, path, self.cache)


AWKWARD_LABELS = (
    "Pêche d'été",
    "100% = #1",
    "🍎 rouge",
    "_hidden",
    'q"uote\\slash',
    "a:b?c*d[e]{f}^g",
    "007",
    "null",
    "2024-01-01",
    "L" * 200,
)
AWKWARD_FOLDER = "a lake [v1] {a,b} #1 100%25 é"
