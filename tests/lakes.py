"""A lake in a temporary folder, and the photos and settings to run it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bootstrap import settings as settings_module
from bootstrap.pipeline import build, open_run
from bootstrap.settings import Settings
from catalog.local import LocalCatalog
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
    def catalog(self) -> LocalCatalog:
        return LocalCatalog(str(self.path))


AWKWARD_LABELS = (
    "Pêche d'été",
    "100% = #1",
    "🍎 rouge",
    ".hidden",
    'q"uote\\slash',
    "a:b?c*d[e]{f}^g",
    "007",
    "L" * 200,
)
