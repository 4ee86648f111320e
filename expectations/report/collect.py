"""Collect the content of a page from the run's facts, the catalog, and limited queries on the tables. Starts no Spark.

The queries are independent, so a few of them run concurrently.
"""

import json
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import pyarrow.dataset as ds

from catalog.lake import Lake
from catalog.scan import dataset
from catalog.snapshots import Snapshot
from catalog.stored_pca import load_pca
from expectations.check_result import from_json
from expectations.report import queries
from expectations.report.contents import Contents, Drift, Label, Point, Quarantine, TableAudit
from expectations.report.drift import drift
from expectations.report.facts import RunFacts
from expectations.report.near_duplicates import near_duplicates
from expectations.report.thumbnails import thumbnails

T = TypeVar("T")
_AT_ONCE = 3
_PACKAGES = ("fruitlake", "pyspark", "onnxruntime", "great-expectations", "pandera", "dbt-core", "dbt-spark")


def collect(lake: Lake, run: RunFacts) -> Contents:
    """Collect the content of a page from the layers that exist."""
    snapshots = lake.current_snapshots()
    rows = {table: snapshot.rows for table, snapshot in snapshots.items()}

    def of(table: str, read: Callable[[ds.Dataset], T]) -> T | None:
        return read(dataset(lake, table)) if rows.get(table) else None

    def older_labels(snapshot: Snapshot) -> tuple[Label, ...]:
        return queries.labels(dataset(lake, snapshot.table, snapshot.id))

    def pictures() -> tuple[Sequence[Point], dict[str, bytes]]:
        points = of("gold.fruit_vectors", queries.points) or ()
        if not points or "bronze.images" not in snapshots:
            return points, {}
        wanted = [s.image_id for s in suspected.result() or ()]
        wanted += [id_ for pair in alike.result() for id_ in (pair.image_id, pair.other_id)]
        wanted += [point.image_id for point in points]
        return points, thumbnails(lake, wanted)

    def labels() -> tuple[Label, ...]:
        return of("gold.label_summary", queries.labels) or of("bronze.images", queries.labels_of_photos) or ()

    def changes() -> Drift:
        return drift(lake, run.id, counted.result(), older_labels, lambda snapshot: load_pca(lake, snapshot.id))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        suspected = pool.submit(of, "gold.label_suspects", queries.suspects)
        alike = pool.submit(near_duplicates, lake)
        mapped = pool.submit(pictures)  # takes longest
        counted = pool.submit(labels)
        similar = pool.submit(of, "gold.label_similarity", queries.pairs)
        rejected = pool.submit(of, "bronze.quarantine", queries.quarantined)
        moved = pool.submit(changes)
        points, jpegs = mapped.result()
        return Contents(
            lake=lake.uri,
            run=run,
            audits=tuple(table_audit(s) for s in snapshots.values()),
            labels=counted.result(),
            pca=load_pca(lake) if rows.get("gold.pca") else None,
            vectors=rows.get("gold.fruit_vectors", 0),
            points=points,
            thumbnails=jpegs,
            pairs=similar.result() or (),
            suspects=suspected.result() or (),
            suspects_total=rows.get("gold.label_suspects", 0),
            near_duplicates=alike.result(),
            quarantine=rejected.result() or Quarantine(),
            purposes=purposes(snapshots.get("bronze.images")),
            drift=moved.result(),
            versions=versions(),
        )


def table_audit(snapshot: Snapshot) -> TableAudit:
    """The audit result stored with a snapshot, failed checks first."""
    stored = snapshot.properties
    checks = sorted(from_json(stored.get("audit", "[]")), key=lambda c: (c.passed, c.severity != "critical"))
    result = stored.get("audit_result", "not audited")
    return TableAudit(snapshot.table, result, tuple(checks), stored.get("audit_seconds", ""))


def purposes(images: Snapshot | None) -> dict[tuple[str | None, str | None], int]:
    """Number of batches in bronze by processing purpose and legal basis, most common first."""
    counted: Counter[tuple[str | None, str | None]] = Counter()
    for entry in json.loads(images.properties.get("processing_purposes", "[]")) if images else ():
        counted[entry["purpose"], entry["legal_basis"]] += entry["batches"]
    return dict(counted.most_common())


def versions() -> dict[str, str]:
    """Versions of Python and the main packages; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
