"""Snapshots of gold.fruit_vectors, for tests of catalogs; no file need be behind them."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.tables import FRUIT_VECTORS

TABLE = FRUIT_VECTORS.name
LABELS = ("Pêche d'été", "🍎")


def snapshot(id_: str, parent: str | None = None, labels: Iterable[str] = LABELS) -> Snapshot:
    location = f"gold/fruit_vectors/snapshot={id_}"
    return Snapshot(
        TABLE,
        id_,
        location,
        FRUIT_VECTORS.columns,
        rows=3,
        bytes=99,
        partition_by="label",
        partitions={label: f"{location}/label={label}" for label in labels},
        parameters={"rows_added": "3", "audit_result": "passed", "producer": "a test", "audit": "[]"},
        parent=parent,
        created_at="2026-11-22T18:45:01+00:00",
    )


def published(catalog: Catalog) -> str | None:
    current = catalog.current(TABLE)
    return current.id if current else None
