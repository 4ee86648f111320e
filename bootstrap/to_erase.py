"""What has to be erased: a person's selection, or what has been kept too long, looked up in the lake.

Selection ──find──▶ Erasure (image ids, paths, labels; rows a table) + source files that would bring it back
settings ──outdated──▶ Selection of old batches
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from bootstrap.settings import Settings
from catalog.erasures import Erasure
from catalog.errors import CatalogError
from catalog.protocol import Catalog
from catalog.rewrite import Unwanted, rows_like
from catalog.snapshot import Snapshot, new_id
from catalog.storage import exists

APPENDED = ("bronze.images", "bronze.quarantine", "silver.image_features")


@dataclass(frozen=True)
class Selection:
    """What a person asks to erase; retention adds batches that have become too old."""

    image_ids: frozenset[str] = frozenset()
    source_paths: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    batches: frozenset[str] = frozenset()
    quarantine_batches: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        given = {
            "image id": self.image_ids,
            "source path": self.source_paths,
            "label": self.labels,
            "retention": self.batches | self.quarantine_batches,
        }
        return ", ".join(name for name, values in given.items() if values)


@dataclass(frozen=True)
class Found:
    """What a selection means in this lake. still_there: source files that the next run would ingest again."""

    erasure: Erasure
    still_there: tuple[str, ...] = ()
    snapshots: int = 0


def find(catalog: Catalog, selection: Selection, reason: str, refit: bool = False) -> Found:
    """Look the selection up; nothing is changed. Raises CatalogError if there is nothing to erase, or all there is."""
    images = catalog.current("bronze.images")
    if images is None:
        raise CatalogError(f"there is no photo in '{catalog.lake}': nothing to erase")
    asked: Unwanted = {
        "image_id": selection.image_ids,
        "source_path": selection.source_paths,
        "label": selection.labels,
        "batch": selection.batches,
    }
    photos = _first(catalog, [images, *catalog.history(images.table)], asked)
    erasure = Erasure(
        id=new_id(),
        selector=selection.kind,
        reason=reason,
        requested_at=datetime.now(UTC).isoformat(timespec="seconds"),
        image_ids=tuple(sorted({*selection.image_ids, *photos["image_id"].to_pylist()})),
        source_paths=tuple(sorted({*selection.source_paths, *photos["source_path"].to_pylist()})),
        labels=tuple(sorted(selection.labels)),
        quarantine_batches=tuple(sorted(selection.quarantine_batches)),
        refit=refit,
    )
    rows = {}
    for table in (*APPENDED, "gold.fruit_vectors"):
        snapshot = catalog.current(table)
        if snapshot is not None:
            found = rows_like(catalog, snapshot, unwanted(erasure, table), [snapshot.columns[0].name])
            rows[table] = found.num_rows
    if 0 < images.rows == rows[images.table]:
        raise CatalogError(
            f"this would erase every photo of '{catalog.lake}': delete the lake's folder instead, "
            "with its model and its reports"
        )
    if not any(rows.values()) and not photos.num_rows:
        raise CatalogError(
            f"nothing in '{catalog.lake}' has this {selection.kind}: `fruitlake query` finds ids and labels; a copy of "
            "a photo is stored once, under the path that was read first"
        )
    older = sum(len(catalog.history(table)) - 1 for table in catalog.tables())
    return Found(replace(erasure, rows=rows), tuple(p for p in erasure.source_paths if exists(p)), older)


def outdated(catalog: Catalog, settings: Settings) -> Selection:
    """The batches that the settings' retention does not allow to be kept any longer."""
    return Selection(
        batches=_older(catalog, "bronze.images", settings.photos_days),
        quarantine_batches=_older(catalog, "bronze.quarantine", settings.quarantine_days),
    )


def unwanted(erasure: Erasure, table: str) -> Unwanted:
    """Which rows of the table go."""
    if table == "bronze.quarantine":
        batches = frozenset(erasure.quarantine_batches)
        return {
            "source_path": frozenset(erasure.source_paths),
            "label": frozenset(erasure.labels),
            "batch": batches,
        }
    return {"image_id": frozenset(erasure.image_ids)}


def _first(catalog: Catalog, snapshots: Iterable[Snapshot], asked: Unwanted) -> pa.Table:
    """The photos in the first snapshot that has any: after a rollback, an older or newer one may."""
    for snapshot in snapshots:
        found = rows_like(catalog, snapshot, asked, ["image_id", "source_path"])
        if found.num_rows:
            return found
    return found


def _older(catalog: Catalog, table: str, days: int | None) -> frozenset[str]:
    """Batches of the table that are older; their ids begin with when they were made."""
    current = catalog.current(table)
    if current is None or days is None:
        return frozenset()
    limit = f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%S}"
    return frozenset(batch for batch in current.partitions if batch < limit)
