"""This run against the one before: what every snapshot says of its parent.

rows            from the catalog alone
labels, moves   two gold.label_summary; centroids can be compared only within one PCA
"""

from __future__ import annotations

import math
from collections.abc import Callable

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from expectations.report.contents import Drift, Label, Movement, RowsChange, Variance

FIRST = "There is no earlier run to compare with."
UNCHANGED = "This run published nothing new: every table stands as it was."
NO_LABELS = "The labels were not built anew by this run."
GONE = "The label summary of the run before is not kept any more."
REFITTED = "The PCA was fitted anew, so vectors of before and now cannot be compared."

# the rows of an older snapshot; None if its files are gone
ReadLabels = Callable[[Snapshot], tuple[Label, ...] | None]
ReadVariance = Callable[[Snapshot], Variance | None]


def drift(
    catalog: Catalog, run: str, labels: tuple[Label, ...], read_labels: ReadLabels, read_variance: ReadVariance
) -> Drift:
    """What the run changed; labels are the ones of now."""
    current = [s for name in catalog.tables() if (s := catalog.current(name))]
    new = [s for s in current if s.id == run]
    if not new:
        return Drift(note=UNCHANGED)
    pairs = [(parent, s) for s in new if (parent := _parent(catalog, s))]
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
    if before is None:
        return Drift(rows, k_before=k_before, kept_before=kept_before, note=GONE)
    pca = _pca_of(catalog, now)
    comparable = pca is not None and pca == _pca_of(catalog, parent)
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
    """How far each label's centroid went, the farthest first."""
    was = {label.name: label for label in before}
    found = []
    for label in now:
        old = was.get(label.name)
        if old is None or not label.centroid or len(old.centroid) != len(label.centroid):
            continue
        distance = math.dist(old.centroid, label.centroid)
        found.append(Movement(label.name, distance, distance / label.spread if label.spread else None))
    return tuple(sorted(found, key=lambda m: (-(m.of_spread or 0), -m.distance, m.label)))


def _parent(catalog: Catalog, snapshot: Snapshot) -> Snapshot | None:
    if snapshot.parent is None:
        return None
    return next((s for s in catalog.history(snapshot.table) if s.id == snapshot.parent), None)


def _pca_of(catalog: Catalog, summary: Snapshot) -> str | None:
    """The PCA that a label summary rests on: named by its audit, else found through what it was made of."""
    if audited := summary.parameters.get("pca_id"):
        return audited
    vectors = _input(summary, "gold.fruit_vectors")
    made = next((s for s in catalog.history("gold.fruit_vectors") if s.id == vectors), None)
    return _input(made, "gold.pca") if made else None


def _input(snapshot: Snapshot, table: str) -> str | None:
    inputs = dict(i.split("@", 1) for i in snapshot.parameters.get("inputs", "").split() if "@" in i)
    return inputs.get(table)
