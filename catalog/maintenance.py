"""Vacuum a lake with Iceberg's own operations: expire old snapshots, remove files that no snapshot needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyiceberg.table import Table as IcebergTable
from pyspark.sql import SparkSession

from catalog.branch import BRANCH, begun, drop_branches, java_table
from catalog.compaction import COMPACTED, compact, small_files
from catalog.lake import CATALOG, Lake
from catalog.scan import data_files
from catalog.snapshots import PROPERTY, utc
from catalog.storage import delete_empty_folders, delete_file, files
from catalog.tables import TABLES

_VIEW = "fruitlake_listed_files"
_LEFTOVERS = ("reports", "model", "_erasures")  # folders where a killed process may leave half-written files
_HALF_WRITTEN = re.compile(r"\.\d+\.tmp$")
_RUN_AT_MOST = timedelta(days=1)  # a run in progress may have written younger files
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class VacuumPlan:
    """What a vacuum would remove.

    Attributes:
        branches: (table, audit branch) left by killed runs.
        snapshots: (table, snapshot id) to expire.
        orphans: (table, URI) of files that no snapshot references.
        leftovers: URIs of half-written files outside the tables.
        small: (table, number of small data files) to merge.
        size: bytes of orphans, leftovers and the data files that only these snapshots need.
    """

    branches: tuple[tuple[str, str], ...] = ()
    snapshots: tuple[tuple[str, int], ...] = ()
    orphans: tuple[tuple[str, str], ...] = ()
    leftovers: tuple[str, ...] = ()
    small: tuple[tuple[str, int], ...] = ()
    size: int = 0


def plan(spark: SparkSession, lake: Lake, older_than: timedelta, at_once: bool = False) -> VacuumPlan:
    """List what to remove: published snapshots older than `older_than`, and leftovers of killed runs. Changes nothing.

    `at_once` states that no run is in progress, so everything unpublished is removed, regardless of age. In a lake
    with locks, this is always known.
    """
    limit = datetime.now(UTC) - older_than
    wait = not (lake.locks or at_once)
    branches: list[tuple[str, str]] = []
    old: list[tuple[str, int]] = []
    orphans: list[tuple[str, str]] = []
    size = 0
    for table in TABLES:
        listed = files(lake.location(table))
        loaded = lake.load(table)
        if loaded is None:  # dropped, or never created
            uris = [uri for uri, f in listed.items() if not (wait and _is_young(f.mtime))]
        else:
            stale = [b for b in loaded.refs() if b.startswith(BRANCH) and not (wait and _is_young(begun(b)))]
            ids = _unneeded(loaded, stale, limit, wait)
            branches += [(table, name) for name in stale]
            old += [(table, id_) for id_ in ids]
            size += _freed(loaded, ids)
            needed = _needed(loaded)
            ages = {
                uri: f.mtime if wait else _LONG_AGO
                for uri, f in listed.items()
                if uri not in needed and not f.base_name.startswith(".")
            }
            uris = _orphans(spark, lake, table, ages, dry_run=True)
        orphans += [(table, uri) for uri in uris]
        size += sum(listed[uri].size for uri in uris)
    below = [(uri, f.size) for folder in _LEFTOVERS for uri, f in files(f"{lake.uri}/{folder}").items()]
    leftovers = {uri: length for uri, length in below if _HALF_WRITTEN.search(uri)}
    size += sum(leftovers.values())
    small = tuple((table, count) for table in COMPACTED if (count := small_files(lake, table)))
    return VacuumPlan(tuple(branches), tuple(old), tuple(orphans), tuple(leftovers), small, size)


def carry_out(spark: SparkSession, lake: Lake, planned: VacuumPlan) -> None:
    """Carry out a plan. Orphans are removed first, because expiring snapshots changes the files of a table."""
    stale = {name for _, name in planned.branches}
    drop_branches(spark, lake, keep=lambda name: name not in stale)
    for table in dict.fromkeys(table for table, _ in planned.orphans):
        uris = [uri for of, uri in planned.orphans if of == table]
        if lake.load(table) is not None:
            _orphans(spark, lake, table, dict.fromkeys(uris, _LONG_AGO), dry_run=False)
        else:
            for uri in uris:
                delete_file(uri)
        delete_empty_folders(lake.location(table))
    for table, _ in planned.small:
        compact(spark, lake, table)
    for table in dict.fromkeys(table for table, _ in planned.snapshots):
        expire(spark, lake, table, [id_ for of, id_ in planned.snapshots if of == table])
    for uri in planned.leftovers:
        delete_file(uri)


def expire(spark: SparkSession, lake: Lake, table: str, ids: list[int]) -> None:
    """Expire these snapshots, and delete the files that only they need.

    Uses Iceberg's core API: the procedure starts Spark jobs, which take seconds per table and only pay off for
    thousands of files.
    """
    if not ids:
        return
    expiry = java_table(spark, lake, table).expireSnapshots().expireOlderThan(0)
    for id_ in ids:
        expiry = expiry.expireSnapshotId(id_)
    expiry.commit()
    delete_empty_folders(lake.location(table))  # even an empty folder would reveal its label


def forget(spark: SparkSession, lake: Lake, table: str) -> int:
    """Expire every snapshot but the current one, and delete old metadata files. Returns the number of snapshots."""
    loaded = lake.load(table)
    if loaded is None:
        return 0
    current = loaded.metadata.current_snapshot_id
    old = [s.snapshot_id for s in loaded.metadata.snapshots if s.snapshot_id != current]
    expire(spark, lake, table, old)
    name = f"{CATALOG}.{lake.identifier(table)}"
    for kept in ("1", "20"):  # the first commit leaves one old metadata file, which the second makes obsolete
        spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('write.metadata.previous-versions-max' = '{kept}')")
    return len(old)


def drop_deleted_entries(spark: SparkSession, lake: Lake, name: str) -> None:
    """Rewrite the current snapshot's manifests if they still list deleted files, whose paths contain labels.

    Rows and the snapshot's properties stay the same.
    """
    table = java_table(spark, lake, name)
    current = table.currentSnapshot()
    if current is None or not any(m.hasDeletedFiles() for m in current.allManifests(table.io())):
        return
    jvm: Any = spark.sparkContext._jvm
    rewrite = table.rewriteManifests().clusterBy(jvm.com.google.common.base.Functions.constant(""))  # all in one
    for fact, value in dict(current.summary()).items():
        if fact.startswith(PROPERTY):
            rewrite = rewrite.set(fact, value)
    rewrite.commit()


def _unneeded(table: IcebergTable, stale: Iterable[str], limit: datetime, wait: bool) -> list[int]:
    """Published snapshots that are too old, and snapshots of killed runs.

    A publish creates several snapshots, of which readers see only the last; the others stay as long as the last one.
    """
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    published = {entry.snapshot_id for entry in table.metadata.snapshot_log}
    kept = {ref.snapshot_id for name, ref in table.refs().items() if name not in set(stale)}
    kept |= {id_ for id_, s in by_id.items() if id_ in published and utc(s.timestamp_ms) > limit}
    kept |= {id_ for id_, s in by_id.items() if wait and id_ not in published and _is_young(utc(s.timestamp_ms))}
    for id_ in list(kept):
        parent = by_id[id_].parent_snapshot_id
        while parent in by_id and parent not in published:
            kept.add(parent)
            parent = by_id[parent].parent_snapshot_id
    return [id_ for id_ in by_id if id_ not in kept]


def _needed(table: IcebergTable) -> set[str]:
    """Files that the table references. Iceberg's slower procedure then only has to check the others."""
    needed = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in needed:
                needed.add(manifest.manifest_path)
                needed |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    return needed


def _freed(table: IcebergTable, expired: list[int]) -> int:
    """Size in bytes of the data files that only these snapshots need."""
    gone: dict[str, int] = {}
    kept: dict[str, int] = {}
    for snapshot in table.metadata.snapshots if expired else ():
        (gone if snapshot.snapshot_id in expired else kept).update(data_files(table, snapshot.snapshot_id))
    return sum(size for uri, size in gone.items() if uri not in kept)


def _orphans(spark: SparkSession, lake: Lake, table: str, ages: dict[str, datetime], dry_run: bool) -> list[str]:
    """Find, or delete unless dry_run, those of the listed files that no snapshot of the table references."""
    if not ages:
        return []
    listed = spark.createDataFrame(list(ages.items()), "file_path string, last_modified timestamp")
    listed.createOrReplaceTempView(_VIEW)
    limit = datetime.now(UTC) - _RUN_AT_MOST - timedelta(minutes=1)  # the smallest age that the procedure accepts
    rows = spark.sql(
        f"CALL {CATALOG}.system.remove_orphan_files(table => '{lake.identifier(table)}', "
        f"older_than => TIMESTAMP '{limit:%Y-%m-%d %H:%M:%S}', file_list_view => '{_VIEW}', dry_run => {dry_run})"
    ).collect()
    return [row.orphan_file_location for row in rows]


def _is_young(moment: datetime) -> bool:
    return datetime.now(UTC) - moment < _RUN_AT_MOST
