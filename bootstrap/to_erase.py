"""What has to be erased: a person's selection, or what has been kept too long, looked up in the lake.

Selection ──find──▶ Erasure (image ids, paths, labels; rows a table) + source files that would bring it back
settings ──outdated──▶ Selection of old batches
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bootstrap.settings import Settings
from catalog.erasures import Erasure
from catalog.errors import AwsError, CatalogError, SettingsError
from catalog.protocol import Catalog
from catalog.rewrite import Unwanted, rows_like
from catalog.snapshot import new_id
from catalog.storage import exists

_AT_ONCE = 16  # questions to a source at a time: a bucket takes tens of milliseconds to answer one
APPENDED = ("bronze.images", "bronze.quarantine", "silver.image_features")


@dataclass(frozen=True)
class Selection:
    """What a person asks to erase; retention adds batches that have become too old.

    The photos of `batches`, of bronze.images, and of `feature_batches`, of silver, go from every layer; photo_batches
    and quarantine_batches from their own table alone.
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
        given = {
            "image id": self.image_ids,
            "source path": self.source_paths,
            "label": self.labels,
            "retention": self.batches | self.photo_batches | self.feature_batches | self.quarantine_batches,
        }
        return ", ".join(name for name, values in given.items() if values)


@dataclass(frozen=True)
class Found:
    """What a selection means in this lake. still_there: source files that the next run would ingest again."""

    erasure: Erasure
    still_there: tuple[str, ...] = ()
    snapshots: int = 0


def find(catalog: Catalog, selection: Selection, reason: str, refit: bool = False) -> Found:
    """Look the selection up, in older snapshots too; nothing is changed.

    Raises CatalogError if any part of it means nothing here: it may be misspelt, and what was meant would stay.
    """
    photos = _photos_of(catalog, selection)
    erasure = Erasure(
        id=new_id(),
        selector=selection.kind,
        reason=reason,
        requested_at=datetime.now(UTC).isoformat(timespec="seconds"),
        image_ids=tuple(sorted({*selection.image_ids, *photos["image_id"]})),
        source_paths=tuple(sorted({*selection.source_paths, *photos["source_path"], *_paths_of(catalog, selection)})),
        labels=tuple(sorted(selection.labels)),
        photo_batches=tuple(sorted(selection.photo_batches)),
        quarantine_batches=tuple(sorted(selection.quarantine_batches)),
        refit=refit,
    )
    rejected = _values(catalog, "bronze.quarantine", unwanted(erasure, "bronze.quarantine"), ["source_path", "label"])
    _check_known(catalog, "image id", selection.image_ids, photos["image_id"])
    _check_known(catalog, "source path", selection.source_paths, photos["source_path"] | rejected["source_path"])
    _check_known(catalog, "label", selection.labels, photos["label"] | rejected["label"])
    rows = {}
    for table in (*APPENDED, "gold.fruit_vectors"):
        snapshot = catalog.current(table)
        if snapshot is not None:
            found = rows_like(catalog, snapshot, unwanted(erasure, table), [snapshot.columns[0].name])
            rows[table] = found.num_rows
    photo_tables = [s for table in rows if table != "bronze.quarantine" and (s := catalog.current(table))]
    everything = bool(photos["image_id"]) and all(snapshot.rows == rows[snapshot.table] for snapshot in photo_tables)
    older = sum(len(catalog.history(table)) - 1 for table in catalog.tables())
    return Found(replace(erasure, rows=rows, everything=everything), _still_there(erasure.source_paths), older)


def outdated(catalog: Catalog, settings: Settings) -> Selection:
    """The batches that the settings' retention does not allow to be kept any longer.

    Raises SettingsError if features were to go before the photos that the next run would make them of again.
    """
    photos = _older(catalog, "bronze.images", settings.photos_days)
    rejected = _older(catalog, "bronze.quarantine", settings.quarantine_days)
    if settings.features_days is None:
        return Selection(batches=photos, quarantine_batches=rejected)
    if settings.photos_days is None or settings.photos_days > settings.features_days:
        raise SettingsError(
            f"FRUITLAKE_FEATURES_DAYS is {settings.features_days}, and FRUITLAKE_PHOTOS_DAYS "
            f"{settings.photos_days or 'not set'}: a run makes features of every photo there is, so photos cannot be "
            f"kept longer; set FRUITLAKE_PHOTOS_DAYS to at most {settings.features_days}"
        )
    features = _older(catalog, "silver.image_features", settings.features_days)
    return Selection(photo_batches=photos, feature_batches=features, quarantine_batches=rejected)


def retention(settings: Settings, old: Selection) -> str:
    """The reason of an erasure that nobody asked for."""
    limits = (
        (settings.photos_days, old.batches | old.photo_batches, "photos"),
        (settings.features_days, old.feature_batches, "features"),
        (settings.quarantine_days, old.quarantine_batches, "rejected files"),
    )
    return "; ".join(f"{what} kept longer than {days} days" for days, batches, what in limits if batches)


def unwanted(erasure: Erasure, table: str) -> Unwanted:
    """Which rows of the table go."""
    if table == "bronze.quarantine":
        batches = frozenset(erasure.quarantine_batches)
        return {
            "source_path": frozenset(erasure.source_paths),
            "label": frozenset(erasure.labels),
            "batch": batches,
        }
    ids = frozenset(erasure.image_ids)
    return {"image_id": ids} | ({"batch": frozenset(erasure.photo_batches)} if table == "bronze.images" else {})


def _photos_of(catalog: Catalog, selection: Selection) -> dict[str, set[str]]:
    """Ids, paths and labels of the photos that are meant, wherever they are, and were.

    After a rollback of some tables, a photo may be in silver, and in no snapshot of bronze any more.
    """
    asked: Unwanted = {
        "image_id": selection.image_ids,
        "source_path": selection.source_paths,
        "label": selection.labels,
        "batch": selection.batches,
    }
    photos = _values(catalog, "bronze.images", asked, ["image_id", "source_path", "label"])
    if selection.feature_batches:
        outdated_features: Unwanted = {"batch": selection.feature_batches}
        photos["image_id"] |= _values(catalog, "silver.image_features", outdated_features, ["image_id"])["image_id"]
    derived: Unwanted = {"image_id": selection.image_ids | photos["image_id"], "label": selection.labels}
    for table in ("silver.image_features", "gold.fruit_vectors"):
        for column, values in _values(catalog, table, derived, ["image_id", "label"]).items():
            photos[column] |= values
    return photos


def _paths_of(catalog: Catalog, selection: Selection) -> set[str]:
    """Where the photos were read that go from bronze alone."""
    batches: Unwanted = {"batch": selection.photo_batches}
    return _values(catalog, "bronze.images", batches, ["source_path"])["source_path"]


def _values(catalog: Catalog, table: str, unwanted: Unwanted, columns: list[str]) -> dict[str, set[str]]:
    """What these columns hold in the unwanted rows of all the table's snapshots; a shared folder is read once."""
    found: dict[str, set[str]] = {column: set() for column in columns}
    seen: set[str] = set()
    if not any(unwanted.values()):
        return found
    for snapshot in catalog.history(table, whole=True):
        folders = {value: folder for value, folder in snapshot.partitions.items() if folder not in seen}
        seen |= set(folders.values())
        rows = rows_like(catalog, replace(snapshot, partitions=folders), unwanted, columns)
        for column in columns:
            found[column] |= set(rows[column].to_pylist()) - {None}
    return found


def _check_known(catalog: Catalog, kind: str, asked: frozenset[str], known: set[str]) -> None:
    if unknown := sorted(asked - known):
        more = f" (nor {len(unknown) - 1:,} others)" if len(unknown) > 1 else ""
        raise CatalogError(
            f"nothing in '{catalog.lake}' has the {kind} '{unknown[0]}'{more}, and nothing was erased: `fruitlake "
            "query` finds whole ids and labels; a copy of a photo is stored once, under the path that was read first"
        )


def _still_there(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the source has. What a bucket does not let us see is said to be there, since it may be."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(path for path, there in zip(paths, pool.map(_is_there, paths), strict=True) if there)


def _is_there(path: str) -> bool:
    try:
        return exists(path)
    except (AwsError, OSError):
        return True


def _older(catalog: Catalog, table: str, days: int | None) -> frozenset[str]:
    """Batches of the table that are older; their ids begin with when they were made."""
    current = catalog.current(table)
    if current is None or days is None:
        return frozenset()
    limit = f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%S}"
    return frozenset(batch for batch in current.partitions if batch < limit)
