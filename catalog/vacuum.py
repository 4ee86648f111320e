"""Take away what nobody needs any more: old snapshots, and folders that no snapshot names.

    history ──older than the retention, not current──▶ forgotten ──▶ their folders are orphans
    folders ──named by no snapshot that is left──────▶ orphans ────▶ removed, a killed run's among them

Only folders that a run of ours has named are looked at; nothing else in the lake is touched. Catalog entries go first:
killed at any instant, what is left is an orphan, and the next vacuum removes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import delete_file, delete_folder, files, is_remote, subfolders
from catalog.tables import TABLES

_OURS = ("batch=", "snapshot=", "rewrite=")  # what publish and rewrite call their folders
_WITH_LEFTOVERS = ("_catalog", "reports", "model", "_erasures")  # where a file may be half-written when a run is killed
_HALF_WRITTEN = re.compile(r"\.\d+\.tmp$")
_ANY_TIME = datetime.max.replace(tzinfo=UTC)
_RUN_AT_MOST = timedelta(days=1)  # S3 has no lock: there a folder is only abandoned when no run can still be writing it


@dataclass(frozen=True)
class Plan:
    """snapshots: (table, id) to forget; folders and leftovers: to delete, relative to the lake; size in bytes."""

    snapshots: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]
    leftovers: tuple[str, ...]
    size: int

    @property
    def empty(self) -> bool:
        return not (self.snapshots or self.folders or self.leftovers)


def plan(catalog: Catalog, older_than: timedelta, no_run_is_under_way: bool = False) -> Plan:
    """What a vacuum would do. older_than: the age from which a snapshot that is not current goes.

    no_run_is_under_way: what no snapshot names is abandoned, however young; for a folder that is always so.
    """
    now = datetime.now(UTC)
    begun_before = now - _RUN_AT_MOST if is_remote(catalog.lake) and not no_run_is_under_way else _ANY_TIME
    old: list[Snapshot] = []
    kept: list[Snapshot] = []
    for table in TABLES:
        current = catalog.current(table)
        for snapshot in catalog.history(table, whole=True):
            if current is None:  # a run was killed before its first publish was complete
                forget = _abandoned(snapshot.id, begun_before)
            else:
                outdated = now - datetime.fromisoformat(snapshot.created_at) >= older_than
                forget = outdated and snapshot.id != current.id
            (old if forget else kept).append(snapshot)
    folders = tuple(orphans(catalog.lake, kept, begun_before))
    leftovers = tuple(_leftovers(catalog.lake))
    size = sum(f.size for folder in folders for f in files(f"{catalog.lake}/{folder}"))
    return Plan(tuple((s.table, s.id) for s in old), folders, leftovers, size)


def carry_out(catalog: Catalog, planned: Plan) -> None:
    for table, snapshot in planned.snapshots:
        catalog.forget(table, snapshot)
    if planned.folders:
        catalog.repair()  # a publish that was killed may have led other engines into a folder that goes
    for folder in planned.folders:
        delete_folder(f"{catalog.lake}/{folder}")
    for file in planned.leftovers:
        delete_file(f"{catalog.lake}/{file}")


def orphans(lake: str, kept: Iterable[Snapshot], begun_before: datetime) -> Iterator[str]:
    """Folders of runs that began before then, relative to the lake, that none of the kept snapshots needs."""
    kept = list(kept)
    needed = set(_needed(kept))
    for table in TABLES:
        root = table.replace(".", "/")
        for name in subfolders(f"{lake}/{root}"):
            if not name.startswith(_OURS) or not _abandoned(name.split("=", 1)[1], begun_before):
                continue
            folder = f"{root}/{name}"
            if folder not in needed:
                yield folder
            elif name.startswith("rewrite="):  # one batch in it may be needed, and another not any more
                inner = (f"{folder}/{batch}" for batch in subfolders(f"{lake}/{folder}"))
                yield from (batch for batch in inner if batch not in needed)
    models = {s.id for s in kept if s.table == "gold.pca"} | {s.parameters.get("pca_id", "") for s in kept}
    for name in subfolders(f"{lake}/model/pca"):
        if name not in models and _abandoned(name, begun_before):
            yield f"model/pca/{name}"


def _needed(kept: list[Snapshot]) -> Iterator[str]:
    """The folders that snapshots name, and all above them."""
    for snapshot in kept:
        root = snapshot.table.replace(".", "/")
        for folder in {snapshot.location, *snapshot.partitions.values()} - {root}:
            yield folder
            yield from (str(parent) for parent in PurePosixPath(folder).parents)


def _abandoned(run: str, begun_before: datetime) -> bool:
    """Whether no run can be writing it any more; what is not a run's id is not ours to judge."""
    try:
        begun = datetime.strptime(run[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return begun < begun_before


def _leftovers(lake: str) -> Iterator[str]:
    """Temporary files of writes that were killed (storage.write_atomically)."""
    for folder in _WITH_LEFTOVERS:
        for file in files(f"{lake}/{folder}"):
            if _HALF_WRITTEN.search(file.path) and not is_remote(lake):
                yield file.path.removeprefix(lake).lstrip("/")
