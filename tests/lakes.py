"""A lake in a temporary folder or a bucket, and the photos and settings to run it with."""

from abc import ABC, abstractmethod
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
from catalog.snapshots import Snapshot
from tests.aws import AwsServer
from tests.lake_copy import copy_lake
from transforms.run import Run


class AnyLake(ABC):
    """What tests do with a lake, wherever it is."""

    @abstractmethod
    def settings(self, **options: object) -> Settings: ...

    @property
    @abstractmethod
    def tables(self) -> catalog.lake.Lake:
        """The lake, opened anew."""

    def run(self, layer: str = "all", **options: object) -> Run:
        return build(self.settings(**options), layer, Console(quiet=True))

    @contextmanager
    def open(self, **options: object) -> Iterator[Run]:
        with open_run(self.settings(**options), Console(quiet=True)) as run:
            yield run

    def current(self, table: str) -> Snapshot:
        """The published snapshot."""
        snapshot = self.tables.current(table)
        assert snapshot is not None
        return snapshot

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """The published rows."""
        rows: list[dict[str, Any]] = dataset(self.tables, table).to_table(list(columns) or None).to_pylist()
        return rows


@dataclass(frozen=True)
class Lake(AnyLake):
    photos: Path
    path: Path
    cache: Path

    def settings(self, **options: object) -> Settings:
        given = {"images": str(self.photos), "lake": str(self.path), "cache": self.cache, "weights": "bundled"}
        return settings_module.load(**(given | options))

    @property
    def tables(self) -> catalog.lake.Lake:
        return catalog.lake.open_lake(str(self.path))

    def copy(self, path: Path) -> "Lake":
        """Copy the lake to another folder."""
        copy_lake(self.path, path)
        return Lake(self.photos, path, self.cache)


@dataclass(frozen=True)
class BucketLake(AnyLake):
    """A lake in a bucket of the moto server. photos: a folder, or an address in S3."""

    server: AwsServer
    photos: str
    uri: str
    prefix: str
    cache: Path

    def settings(self, **options: object) -> Settings:
        given = {"images": self.photos, "lake": self.uri, "database_prefix": self.prefix, "cache": self.cache}
        return settings_module.load(**(given | {"weights": "bundled"} | options))

    @property
    def tables(self) -> catalog.lake.Lake:
        return catalog.lake.open_lake(self.uri, self.prefix)


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
