"""Compare this run's snapshots with the ones before.

rows                from the catalog alone
labels, movements   from two snapshots of gold.label_summary; centroids are comparable only within one PCA
"""

import math
from collections.abc import Callable

from catalog.lake import Lake
from catalog.snapshots import Snapshot
from catalog.stored_pca import StoredPca
from expectations.report.contents import Drift, Label, Movement

FIRST = "There is no earlier run to compare with."
UNCHANGED = "This run published nothing new: all tables are unchanged."
NO_LABELS = "This run did not rebuild the labels."
REFITTED = "The PCA was refitted, so earlier and current vectors cannot be compared."


def drift(
    lake: Lake,
    run: str,
    labels: tuple[Label, ...],
    read_labels: Callable[[Snapshot], tuple[Label, ...]],
    read_pca: Callable[[Snapshot], StoredPca],
) -> Drift:
    """Describe what the run changed. labels: the current ones; read_labels, read_pca: read an older snapshot."""
    new = {table: s for table, s in lake.current_snapshots().items() if s.run == run}
    if not new:
        return Drift(note=UNCHANGED)
    parents = {table: parent for table, s in new.items() if (parent := _parent(lake, s))}
    if not parents:
        return Drift(note=FIRST)
    rows = {table: (parent.rows, new[table].rows) for table, parent in parents.items()}
    pca_before = read_pca(parents["gold.pca"]) if "gold.pca" in parents else None
    if "gold.label_summary" not in parents:
        return Drift(rows, pca_before=pca_before, note=NO_LABELS)
    parent, now = parents["gold.label_summary"], new["gold.label_summary"]
    before = read_labels(parent)
    pca = now.properties.get("pca_id")
    comparable = pca is not None and pca == parent.properties.get("pca_id")
    return Drift(
        rows,
        labels_added=tuple(sorted({x.name for x in labels} - {x.name for x in before})),
        labels_removed=tuple(sorted({x.name for x in before} - {x.name for x in labels})),
        movements=movements(before, labels) if comparable else (),
        pca_before=pca_before,
        note="" if comparable else REFITTED,
    )


def movements(before: tuple[Label, ...], now: tuple[Label, ...]) -> tuple[Movement, ...]:
    """How far each label's centroid moved, largest movement first."""
    was = {label.name: label.centroid for label in before}
    found = []
    for label in now:
        if label.centroid and label.name in was:
            distance = math.dist(was[label.name], label.centroid)
            found.append(Movement(label.name, distance, distance / label.spread if label.spread else None))
    return tuple(sorted(found, key=lambda m: (-(m.of_spread or 0), -m.distance, m.label)))


def _parent(lake: Lake, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot of the same table that readers saw before this one."""
    older = [s for s in lake.history(snapshot.table) if s.created_at < snapshot.created_at]
    return max(older, key=lambda s: s.created_at, default=None)
