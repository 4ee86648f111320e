"""Determine what to erase, from a user's selection or from retention limits. Starts no JVM.

Selection ──find──▶ Erasure (image ids, paths, labels; rows per table) + source files that would be ingested again
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalog.erasures import Erasure
from catalog.errors import CatalogError
from catalog.lake import Lake
from catalog.scan import data_files, dataset, dataset_of
from catalog.snapshots import new_run_id
from catalog.storage import may_exist
from catalog.tables import TABLES

Unwanted = Mapping[str, frozenset[str]]  # values by column; rows with any of them are deleted

_REQUESTS = 16  # concurrent requests to a source; a bucket takes tens of milliseconds per request
PHOTO_TABLES = ("bronze.images", "bronze.quarantine", "silver.image_features", "gold.fruit_vectors")


@dataclass(frozen=True)
class Selection:
    """The user's selection of photos to erase, and batches past their retention limit.

    Photos of `batches` (of bronze.images) and `feature_batches` (of silver) are deleted from every layer;
    `photo_batches` only from bronze.images, and `quarantine_batches` only from bronze.quarantine.
    """

    image_ids: frozenset[str] = frozenset()
    source_paths: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    batches: frozenset[str] = frozenset()
    photo_batches: frozenset[str] = frozenset()
    feature_batches: frozenset[str] = frozenset()
    quarantine_batches: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        """Kinds of criteria, without their values: `label, source path`; empty if nothing is selected."""
        given = {
            "image id": self.image_ids,
            "source path": self.source_paths,
            "label": self.labels,
            "retention": self.batches | self.photo_batches | self.feature_batches | self.quarantine_batches,
        }
        return ", ".join(name for name, values in given.items() if values)


@dataclass(frozen=True)
class Found:
    """The result of looking a selection up in a lake.

    Attributes:
        still_there: source files that the next run would ingest again.
        snapshots: number of older snapshots that the erasure will expire.
        others: source files under an erased label whose photo has another label in the lake, and that label.
    """

    erasure: Erasure
    still_there: tuple[str, ...] = ()
    snapshots: int = 0
    others: Mapping[str, str] = field(default_factory=dict)


def find(lake: Lake, selection: Selection, reason: str, refit: bool = False, block: bool = False) -> Found:
    """Look the selection up in all snapshots, without changing anything.

    Raises CatalogError if any part of it is not in the lake (it may be misspelt, and the photos meant would stay), or
    if there is no photo to block.
    """
    photos = _photos_of(lake, selection)
    only_bronze = _values(lake, "bronze.images", {"batch": selection.photo_batches}, ["source_path"])
    erasure = Erasure(
        id=new_run_id(),
        selector=selection.kind,
        reason=reason,
        requested_at=datetime.now(UTC).isoformat(timespec="seconds"),
        image_ids=tuple(sorted(selection.image_ids | photos["image_id"])),
        source_paths=tuple(sorted(selection.source_paths | photos["source_path"] | only_bronze["source_path"])),
        labels=tuple(sorted(selection.labels)),
        photo_batches=tuple(sorted(selection.photo_batches)),
        quarantine_batches=tuple(sorted(selection.quarantine_batches)),
        refit=refit,
        block=block,
    )
    rejected = _values(lake, "bronze.quarantine", unwanted(erasure, "bronze.quarantine"), ["source_path", "label"])
    _check_known(lake, "image id", selection.image_ids, photos["image_id"])
    _check_known(lake, "source path", selection.source_paths, photos["source_path"] | rejected["source_path"])
    _check_known(lake, "label", selection.labels, photos["label"] | rejected["label"])
    if block and not erasure.image_ids:
        raise CatalogError(
            "--and-block keeps photos out by their bytes, and the lake has no photo of these: leave it out"
        )
    current = {name: s for name, s in lake.current_snapshots().items() if name in PHOTO_TABLES}
    rows = {table: count_rows(lake, table, unwanted(erasure, table)) for table in current}
    left = [s.rows - rows[name] for name, s in current.items() if name != "bronze.quarantine"]
    everything = bool(photos["image_id"]) and not any(left)
    older = sum(len(lake.history(table)) - 1 for table in lake.tables())
    return Found(replace(erasure, rows=rows, everything=everything), _still_there(erasure.source_paths), older)


def labels_of(lake: Lake, image_ids: Iterable[str]) -> dict[str, str]:
    """Current labels of the photos, by id, for those in bronze."""
    if lake.current("bronze.images") is None:
        return {}
    rows = dataset(lake, "bronze.images").to_table(["image_id", "label"], _is_any("image_id", image_ids))
    return dict(zip(rows["image_id"].to_pylist(), rows["label"].to_pylist(), strict=True))


def unwanted(erasure: Erasure, table: str) -> Unwanted:
    """Which rows of the table to delete."""
    values = {"image_id": erasure.image_ids}
    if table == "bronze.images":
        values["batch"] = erasure.photo_batches
    elif table == "bronze.quarantine":
        values = {"source_path": erasure.source_paths, "label": erasure.labels, "batch": erasure.quarantine_batches}
    return {column: frozenset(wanted) for column, wanted in values.items()}


def count_rows(lake: Lake, table: str, unwanted: Unwanted) -> int:
    """Number of rows in the table's current snapshot that have any of the values."""
    return int(dataset(lake, table).count_rows(filter=_matches(unwanted)))


def _photos_of(lake: Lake, selection: Selection) -> dict[str, set[str]]:
    """Ids, paths and labels of the selected photos, in all tables and snapshots.

    After a rollback of some tables, a photo may be in silver, but no longer in any snapshot of bronze.
    """
    asked: Unwanted = {
        "image_id": selection.image_ids,
        "source_path": selection.source_paths,
        "label": selection.labels,
        "batch": selection.batches,
    }
    photos = _values(lake, "bronze.images", asked, ["image_id", "source_path", "label"])
    outdated_features: Unwanted = {"batch": selection.feature_batches}
    photos["image_id"] |= _values(lake, "silver.image_features", outdated_features, ["image_id"])["image_id"]
    derived: Unwanted = {"image_id": selection.image_ids | photos["image_id"], "label": selection.labels}
    for table in ("silver.image_features", "gold.fruit_vectors"):
        for column, values in _values(lake, table, derived, ["image_id", "label"]).items():
            photos[column] |= values
    photos["image_id"] -= _relabelled(lake, asked, photos["image_id"])
    return photos


def _relabelled(lake: Lake, asked: Unwanted, image_ids: set[str]) -> set[str]:
    """Photos that had a selected label only in older snapshots: they have another label now and are not erased."""
    if not asked["label"] or lake.current("bronze.images") is None:
        return set()
    there = _is_any("image_id", image_ids) & ~_matches(asked)
    return set(dataset(lake, "bronze.images").to_table(columns=["image_id"], filter=there)["image_id"].to_pylist())


def _values(lake: Lake, table: str, unwanted: Unwanted, columns: list[str]) -> dict[str, set[str]]:
    """Values of these columns in the unwanted rows of all existing snapshots; each file is read once."""
    found: dict[str, set[str]] = {column: set() for column in columns}
    loaded = lake.load(table)
    if loaded is None or not any(unwanted.values()):
        return found
    files: dict[str, int] = {}
    for snapshot in loaded.metadata.snapshots:
        files |= data_files(loaded, snapshot.snapshot_id)
    rows = dataset_of(TABLES[table], files).to_table(columns=columns, filter=_matches(unwanted))
    return {column: set(rows[column].to_pylist()) - {None} for column in columns}


def _matches(unwanted: Unwanted) -> ds.Expression:
    """An expression that is true for rows with any of the values."""
    conditions = [_is_any(column, values) for column, values in unwanted.items() if values]
    return reduce(or_, conditions, ds.scalar(False))


def _is_any(column: str, values: Iterable[str]) -> ds.Expression:
    return pc.field(column).isin(pa.array(sorted(values), pa.string()))  # the type is needed if there are no values


def _check_known(lake: Lake, kind: str, asked: frozenset[str], known: set[str]) -> None:
    if unknown := sorted(asked - known):
        more = f" (nor {len(unknown) - 1:,} others)" if len(unknown) > 1 else ""
        raise CatalogError(
            f"nothing in '{lake.uri}' has the {kind} '{unknown[0]}'{more}, and nothing was erased: `fruitlake "
            "query` finds whole ids and labels; a copy of a photo is stored once, under the path that was read first"
        )


def _still_there(paths: Iterable[str]) -> tuple[str, ...]:
    """Paths that exist in the source. A path that cannot be checked is included, because it may exist."""
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return tuple(path for path, there in zip(paths, pool.map(may_exist, paths), strict=True) if there)
