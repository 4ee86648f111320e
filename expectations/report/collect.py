"""Gather what a page shows: the run's facts, the catalog, and bounded queries over the attached tables.

The queries do not depend on each other and are small, so a few run at once.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from pyspark.sql import DataFrame, SparkSession

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import exists
from expectations.report import gold
from expectations.report.audits import table_audit
from expectations.report.contents import Contents, Grounds, Label, Point, Quarantine, Variance
from expectations.report.drift import drift
from expectations.report.facts import RunFacts
from expectations.report.quarantine import quarantined
from expectations.report.thumbnails import Decode, thumbnails

T = TypeVar("T")
_AT_ONCE = 3
_PACKAGES = ("fruitlake", "pyspark", "onnxruntime", "great-expectations", "pandera", "dbt-core", "dbt-spark")


def collect(spark: SparkSession, catalog: Catalog, run: RunFacts, decode: Decode) -> Contents:
    """Everything a page shows, of whichever layers there are; the catalog's tables must be attached."""
    snapshots = {name: s for name in catalog.tables() if (s := catalog.current(name))}

    def of(table: str, read: Callable[[DataFrame], T]) -> T | None:
        snapshot = snapshots.get(table)
        return read(spark.table(table)) if snapshot is not None and snapshot.rows else None

    def pictures() -> tuple[tuple[Point, ...], dict[str, bytes]]:
        points = of("gold.fruit_vectors", gold.points) or ()
        images = snapshots.get("bronze.images")
        if not points or images is None:
            return points, {}
        return points, thumbnails(spark.table("bronze.images"), catalog.lake, images, points, decode)

    def labels() -> tuple[Label, ...]:
        return of("gold.label_summary", gold.labels) or of("bronze.images", gold.labels_of_photos) or ()

    def old_labels(snapshot: Snapshot) -> tuple[Label, ...] | None:
        rows = _older(spark, catalog, snapshot)
        return gold.labels(rows) if rows is not None else None

    def old_variance(snapshot: Snapshot) -> Variance | None:
        rows = _older(spark, catalog, snapshot)
        return gold.variance(rows) if rows is not None else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        mapped = pool.submit(pictures)  # the longest first
        counted = pool.submit(labels)
        pca = pool.submit(of, "gold.pca", gold.variance)
        similar = pool.submit(of, "gold.label_similarity", gold.pairs)
        rejected = pool.submit(of, "bronze.quarantine", quarantined)
        moved = pool.submit(lambda: drift(catalog, run.id, counted.result(), old_labels, old_variance))
        points, jpegs = mapped.result()
        return Contents(
            lake=catalog.lake,
            run=run,
            audits=tuple(table_audit(s) for s in snapshots.values()),
            labels=counted.result(),
            variance=pca.result(),
            vectors=snapshots["gold.fruit_vectors"].rows if "gold.fruit_vectors" in snapshots else 0,
            points=points,
            thumbnails=jpegs,
            pairs=similar.result() or (),
            quarantine=rejected.result() or Quarantine(),
            grounds=grounds(snapshots.get("bronze.images")),
            drift=moved.result(),
            versions=versions(),
        )


def grounds(images: Snapshot | None) -> tuple[Grounds, ...]:
    """What the batches of bronze are kept for, the most common first."""
    stated = json.loads(images.parameters.get("grounds", "{}")) if images else {}
    batches = [stated.get(batch, {}) for batch in (images.partitions if images else ())]
    counted = Counter((said.get("purpose"), said.get("legal_basis")) for said in batches)
    return tuple(Grounds(purpose, basis, n) for (purpose, basis), n in counted.most_common())


def versions() -> dict[str, str]:
    """What made the page, by package; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _older(spark: SparkSession, catalog: Catalog, snapshot: Snapshot) -> DataFrame | None:
    if not exists(f"{catalog.lake}/{snapshot.location}"):
        return None
    return gold.older(spark, catalog.lake, snapshot)
