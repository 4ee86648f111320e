"""Queries of the report on the lake's tables, read with Arrow, a few batches at a time. Every result has a limit."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from more_itertools import constrained_batches

from catalog.parquet import stream
from expectations.report.contents import Label, Pair, Point, Quarantine, QuarantinedFile, Suspect

MAX_LABELS = 2_000
MAX_POINTS = 1_500
MAX_PAIRS = 12
MAX_SUSPECTS = 24
MAX_FILES = 200
_AT_ONCE = 20_000  # rows among which the first ones are chosen

Order = Sequence[tuple[str, str]]  # columns, and "ascending" or "descending"


def labels(summary: ds.Dataset) -> tuple[Label, ...]:
    """The labels with the most photos in gold.label_summary, sorted by name."""
    columns = {name: pc.field(name) for name in ("label", "photos", "spread", "centroid")}
    largest = _first(summary, columns, [("photos", "descending"), ("label", "ascending")], MAX_LABELS)
    found = (Label(row["label"], row["photos"], row["spread"], tuple(row["centroid"])) for row in largest)
    return tuple(sorted(found, key=lambda label: label.name))


def labels_of_photos(images: ds.Dataset) -> tuple[Label, ...]:
    """The same from bronze.images if there is no gold yet, without spread and centroid."""
    largest = sorted(_counted(images, "label").items(), key=lambda item: (-item[1], item[0]))
    return tuple(Label(*item) for item in sorted(largest[:MAX_LABELS]))


def points(vectors: ds.Dataset) -> list[Point]:
    """Sample up to MAX_POINTS photos, evenly from all labels, with their first two components.

    Within a label, photos are taken in order of image_id. It is a hash, so the sample is random, but stable.
    """
    columns = {name: pc.field(name) for name in ("image_id", "label")}
    columns["axes"] = pc.list_slice(pc.field("vector"), 0, 2)
    dealt: list[pa.Table] = []
    for some in constrained_batches(stream(vectors, columns), _AT_ONCE, get_len=len, strict=False):
        # no photo that is left out here can be among the first of all photos
        rows = pa.concat_tables([*dealt, pa.Table.from_batches(some)])
        rows = rows.sort_by([("label", "ascending"), ("image_id", "ascending")])
        ends = pc.run_end_encode(rows["label"].combine_chunks()).run_ends.to_numpy()
        starts = np.concatenate([[0], ends[:-1]])
        rows = rows.append_column("turn", pa.array(np.arange(len(rows)) - np.repeat(starts, ends - starts)))
        dealt = [_take_first(rows, [("turn", "ascending"), ("label", "ascending")], MAX_POINTS).drop_columns("turn")]
    found = (row for table in dealt for row in table.to_pylist())
    return [Point(row["image_id"], row["label"], *[*row["axes"], 0.0][:2]) for row in found]


def pairs(similarity: ds.Dataset) -> list[Pair]:
    """The most similar pairs of labels, each pair once."""
    once = (pc.field("label") < pc.field("other_label")) & pc.field("cosine").is_valid()
    order = [("cosine", "descending"), ("label", "ascending"), ("other_label", "ascending")]
    columns = {name: pc.field(name) for name in Pair._fields}
    return [Pair(**row) for row in _first(similarity, columns, order, MAX_PAIRS, once)]


def suspects(found: ds.Dataset) -> list[Suspect]:
    """The most suspicious photos: those with the smallest ratio of nearest_distance to distance."""
    columns = {name: pc.field(name) for name in Suspect._fields}
    columns["ratio"] = pc.divide(pc.field("nearest_distance"), pc.field("distance"))
    rows = _first(found, columns, [("ratio", "ascending"), ("image_id", "ascending")], MAX_SUSPECTS)
    return [Suspect(*(row[name] for name in Suspect._fields)) for row in rows]


def quarantined(table: ds.Dataset) -> Quarantine:
    """Counts by reason, and the newest MAX_FILES rejected files."""
    counted = _counted(table, "reason")
    reasons = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    order = [("quarantined_at", "descending"), ("reason", "ascending"), ("source_path", "ascending")]
    columns = {name: pc.field(name) for name in (*QuarantinedFile._fields, "quarantined_at")}
    rows = _first(table, columns, order, MAX_FILES)
    newest = [QuarantinedFile(*(row[name] for name in QuarantinedFile._fields)) for row in rows]
    return Quarantine(counted.total(), reasons, newest)


def _counted(rows: ds.Dataset, column: str) -> Counter[str]:
    """Number of rows by the value of a column."""
    found = Counter[str]()
    for batch in stream(rows, {column: pc.field(column)}):
        for counted in batch[column].value_counts().to_pylist():
            found[counted["values"]] += counted["counts"]
    return found


def _first(
    rows: ds.Dataset, columns: dict[str, Any], order: Order, limit: int, where: Any = None
) -> list[dict[str, Any]]:
    """The first rows in an order that leaves no ties."""
    first: list[pa.Table] = []
    for some in constrained_batches(stream(rows, columns, where), _AT_ONCE, get_len=len, strict=False):
        first = [_take_first(pa.concat_tables([*first, pa.Table.from_batches(some)]), order, limit)]
    return [row for table in first for row in table.to_pylist()]


def _take_first(rows: pa.Table, order: Order, limit: int) -> pa.Table:
    """Copies of the first rows: nothing else of the batches that they came from stays in memory."""
    return rows.take(pc.select_k_unstable(rows, limit, order))
