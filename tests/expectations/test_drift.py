"""Drift: what has changed since the version before."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from catalog.snapshots import Snapshot
from expectations.report.contents import (
    Drift,
    Label,
    Movement,
)
from expectations.report.drift import FIRST, REFITTED, UNCHANGED, drift, movements
from tests.expectations.test_report import PCA


def test_centroids_move_in_shares_of_their_spread() -> None:
    before = (Label("A", 3, 2.0, (0.0, 0.0)), Label("gone", 1, 1.0, (0.0, 0.0)), Label("B", 3, 1.0, (1.0, 1.0)))
    now = (Label("A", 4, 2.0, (3.0, 4.0)), Label("B", 3, 0.0, (1.0, 2.0)), Label("new", 1, 1.0, (0.0, 0.0)))
    assert movements(before, now) == (Movement("A", 5.0, 2.5), Movement("B", 1.0, None))


class FakeLake:
    """A fake lake with only what `drift` needs: a history of versions, published at intervals of a minute."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Snapshot]] = {}

    def publish(self, table: str, run: str, rows: int, pca: str = "p") -> None:
        versions = self.versions.setdefault(table, [])
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=len(versions))
        versions.insert(0, Snapshot(table, len(versions), run, moment, rows, 1, {"pca_id": pca}))

    def current_snapshots(self) -> dict[str, Snapshot]:
        return {table: versions[0] for table, versions in self.versions.items()}

    def history(self, table: str) -> list[Snapshot]:
        return self.versions[table]


def test_drift_is_told_against_the_version_before() -> None:
    lake = FakeLake()
    before, now = (Label("A", 1, 1.0, (0.0,)),), (Label("A", 2, 1.0, (1.0,)), Label("B", 1, 1.0, (5.0,)))

    def told(run: str) -> Drift:
        return drift(cast(Any, lake), run, now, lambda snapshot: before, lambda snapshot: PCA)

    for table in ("gold.pca", "gold.fruit_vectors", "gold.label_summary"):
        lake.publish(table, "1", 1)
    assert told("1") == Drift(note=FIRST)
    assert told("2") == Drift(note=UNCHANGED)
    lake.publish("gold.fruit_vectors", "2", 3)
    lake.publish("gold.label_summary", "2", 2)
    second = told("2")
    assert second.rows == {"gold.fruit_vectors": (1, 3), "gold.label_summary": (1, 2)}
    assert (second.labels_added, second.labels_removed, second.note) == (("B",), (), "")
    assert second.movements == (Movement("A", 1.0, 1.0),)
    for table in ("gold.pca", "gold.fruit_vectors", "gold.label_summary"):
        lake.publish(table, "3", 2, "another")
    third = told("3")
    assert (third.movements, third.note, third.pca_before) == ((), REFITTED, PCA)
