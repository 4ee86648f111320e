"""The report's queries: the first rows in order, however the rows are split into batches, in bounded memory."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from catalog.tables import FRUIT_VECTORS, IMAGES, LABEL_SIMILARITY, LABEL_SUMMARY, LABEL_SUSPECTS, QUARANTINE, Table
from expectations.report import queries
from expectations.report.contents import Label, Pair, Point, QuarantinedFile, Suspect

NOON = datetime(2026, 11, 27, 12)


@pytest.fixture(autouse=True, params=[(1, 1), (5, 7), (20_000, 1_000)], ids=["one by one", "few", "all"])
def rows_per_batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    at_once, per_batch = request.param
    monkeypatch.setattr(queries, "_AT_ONCE", at_once)
    return int(per_batch)


def rows_of(table: Table, per_batch: int, *rows: dict[str, Any]) -> ds.Dataset:
    """A dataset of these rows in random order; columns that are not given are null."""
    shuffled = random.Random(7).sample(rows, len(rows))
    batches = pa.Table.from_pylist(shuffled, table.arrow_schema).to_batches(max_chunksize=per_batch)
    return ds.dataset(batches, schema=table.arrow_schema)


def test_points_are_dealt_evenly_to_the_labels(monkeypatch: pytest.MonkeyPatch, rows_per_batch: int) -> None:
    monkeypatch.setattr(queries, "MAX_POINTS", 6)
    many = ({"image_id": f"a{i:02}", "label": "many", "vector": [1.0, 2.0, 9.0]} for i in range(20))
    few = ({"image_id": f"b{i}", "label": "few", "vector": [float(i)]} for i in (1, 2))
    found = queries.points(rows_of(FRUIT_VECTORS, rows_per_batch, *many, *few))
    assert [p.image_id for p in found] == ["b1", "a00", "b2", "a01", "a02", "a03"]
    assert found[0] == Point("b1", "few", 1.0, 0.0)
    assert found[1] == Point("a00", "many", 1.0, 2.0)


def test_points_keep_no_batch_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def batches(*given: object) -> Iterator[pa.RecordBatch]:
        for i in range(20):
            held.append(pa.total_allocated_bytes())
            ids = pa.array([f"{i:02}{j:062}" for j in range(5_000)])
            yield pa.record_batch({"image_id": ids, "label": ids, "axes": pa.array([[0.0]] * 5_000)})

    monkeypatch.setattr(queries, "stream", batches)
    monkeypatch.setattr(queries, "_AT_ONCE", 1)
    assert len(queries.points(ds.dataset(pa.table({})))) == queries.MAX_POINTS
    assert max(held[5:]) < 2 * held[3]


def test_labels_with_most_photos_are_sorted_by_name(monkeypatch: pytest.MonkeyPatch, rows_per_batch: int) -> None:
    monkeypatch.setattr(queries, "MAX_LABELS", 3)
    photos = {"Pêche": 3, "Apple": 2, "Banana": 2, "Zucchini": 1, "Kiwi": 2}
    summary = [{"label": n, "photos": p, "spread": 0.5, "centroid": [1.0]} for n, p in photos.items()]
    expected = [Label("Apple", 2, 0.5, (1.0,)), Label("Banana", 2, 0.5, (1.0,)), Label("Pêche", 3, 0.5, (1.0,))]
    assert queries.labels(rows_of(LABEL_SUMMARY, rows_per_batch, *summary)) == tuple(expected)
    assert queries.labels(rows_of(LABEL_SUMMARY, rows_per_batch)) == ()
    each = ({"image_id": f"{n}{i}", "label": n} for n, p in photos.items() for i in range(p))
    assert queries.labels_of_photos(rows_of(IMAGES, rows_per_batch, *each)) == (
        Label("Apple", 2),
        Label("Banana", 2),
        Label("Pêche", 3),
    )


def test_each_pair_of_labels_is_there_once(monkeypatch: pytest.MonkeyPatch, rows_per_batch: int) -> None:
    monkeypatch.setattr(queries, "MAX_PAIRS", 3)
    cosines = {("a", "b"): 0.5, ("a", "c"): 0.9, ("b", "c"): 0.5, ("a", "d"): None, ("b", "d"): 0.1}
    both = [(*pair, c) for pair, c in cosines.items()] + [(*pair[::-1], c) for pair, c in cosines.items()]
    rows = [{"label": one, "other_label": other, "cosine": c} for one, other, c in both]
    found = queries.pairs(rows_of(LABEL_SIMILARITY, rows_per_batch, *rows))
    assert found == [Pair("a", "c", 0.9), Pair("a", "b", 0.5), Pair("b", "c", 0.5)]


def test_the_most_suspicious_photos_come_first(monkeypatch: pytest.MonkeyPatch, rows_per_batch: int) -> None:
    monkeypatch.setattr(queries, "MAX_SUSPECTS", 2)
    rows = [
        {"image_id": i, "label": "a", "distance": far, "nearest_label": "b", "nearest_distance": near}
        for i, far, near in (("x", 2.0, 1.0), ("y", 4.0, 1.0), ("z", 8.0, 4.0), ("w", 1.0, 0.9))
    ]
    found = queries.suspects(rows_of(LABEL_SUSPECTS, rows_per_batch, *rows))
    assert found == [Suspect("y", "a", 4.0, "b", 1.0), Suspect("x", "a", 2.0, "b", 1.0)]


def test_the_newest_rejected_files_come_first(monkeypatch: pytest.MonkeyPatch, rows_per_batch: int) -> None:
    monkeypatch.setattr(queries, "MAX_FILES", 3)
    rows = [
        {"source_path": path, "reason": reason, "size": size, "quarantined_at": NOON + timedelta(days=days)}
        for path, reason, size, days in (
            ("old", "empty", 0, 0),
            ("b", "truncated", 9, 1),
            ("a", "truncated", 9, 1),
            ("c", "empty", None, 1),
        )
    ]
    found = queries.quarantined(rows_of(QUARANTINE, rows_per_batch, *rows))
    assert (found.total, found.reasons) == (4, [("empty", 2), ("truncated", 2)])
    assert found.rows == [
        QuarantinedFile("c", "empty", None, None),
        QuarantinedFile("a", "truncated", None, 9),
        QuarantinedFile("b", "truncated", None, 9),
    ]
    assert queries.quarantined(rows_of(QUARANTINE, rows_per_batch)).total == 0
