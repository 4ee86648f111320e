"""Compare this run's snapshots with the ones before.

rows                from the catalog alone
labels, movements   from two snapshots of gold.label_summary; centroids are comparable only within one PCA
"""

from __future__ import annotations

import math
from collections.abc import Callable

from catalog.lake import Lake
from catalog.snapshots import Snapshot
from expectations.report.contents import Drift, Label, Movement, RowsChange, Variance

FIRST = "There is no earlier run to compare with."
UNCHANGED = "This run published nothing new: all tables are unchanged."
NO_LABELS = "This run did not rebuild the labels."
REFITTED = "The PCA was refitted, so earlier and current vectors cannot be compared."

# read the rows of an older snapshot
ReadLabels = Callable[[Snapshot], tuple[Label, ...]]
ReadVariance = Callable[[Snapshot], Variance | None]


def drift(
    lake: Lake, run: str, labels: tuple[Label, ...], read_labels: ReadLabels, read_variance: ReadVariance
) -> Drift:
    """Describe what the run changed. labels: the current ones."""
    new = [s for s in lake.current_snapshots().values() if s.run == run]
    if not new:
        return Drift(note=UNCHANGED)
    pairs = [(parent, s) for s in new if (parent := _parent(lake, s))]
    rows = tuple(RowsChange(s.table, parent.rows, s.rows) for parent, s in pairs)
    if not pairs:
        return Drift(note=FIRST)
    by_table = {s.table: (parent, s) for parent, s in pairs}
    k_before = kept_before = None
    if "gold.pca" in by_table and (before_pca := read_variance(by_table["gold.pca"][0])):
        k_before, kept_before = before_pca.k, before_pca.kept
    if "gold.label_summary" not in by_table:
        return Drift(rows, k_before=k_before, kept_before=kept_before, note=NO_LABELS)
    parent, now = by_table["gold.label_summary"]
    before = read_labels(parent)
    pca = now.properties.get("pca_id")
    comparable = pca is not None and pca == parent.properties.get("pca_id")
    return Drift(
        rows,
        labels_added=tuple(sorted({x.name for x in labels} - {x.name for x in before})),
        labels_removed=tuple(sorted({x.name for x in before} - {x.name for x in labels})),
        movements=movements(before, labels) if comparable else (),
        k_before=k_before,
        kept_before=kept_before,
        note="" if comparable else REFITTED,
    )


def movements(before: tuple[Label, ...], now: tuple[Label, ...]) -> tuple[Movement, ...]:
    """How far each label's centroid moved, largest movement first."""
    was = {label.name: label for label in before}
    found = []
    for label in now:
        old = was.get(label.name)
        if old is None or not label.centroid or len(old.centroid) != len(label.centroid):
            continue
        distance = math.dist(old.centroid, label.centroid)
        found.append(Movement(label.name, distance, distance / label.spread if label.spread else None))
    return tuple(sorted(found, key=lambda m: (-(m.of_spread or 0), -m.distance, m.label)))


def _parent(lake: Lake, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot of the same table that readers saw before this one."""
    older = [s for s in lake.history(snapshot.table) if s.created_at < snapshot.created_at]
    return max(older, key=lambda s: s.created_at, default=None)
