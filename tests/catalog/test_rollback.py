"""Rollback of every table to its state after a run, or of one table. The lakes are written by PyIceberg: no JVM."""

import time
from pathlib import Path

import pyarrow as pa
import pytest

from catalog.errors import CatalogError
from catalog.lake import Lake, open_lake
from catalog.rollback import rollback_lake, rollback_table, state_after
from catalog.scan import dataset
from catalog.snapshots import Snapshot
from catalog.tables import TABLES

IMAGES, VECTORS, SUMMARY = "bronze.images", "gold.fruit_vectors", "gold.label_summary"
FIRST, SECOND, THIRD = (f"20260314T09{minute}00-1a2b" for minute in (10, 20, 30))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def publish(lake: Lake, run: str, *tables: str) -> None:
    """Publish one row for each table, with the run as its label."""
    for name in tables:
        first = lake.current(name) is None
        lake.create(TABLES[name])
        loaded = lake.load(name)
        assert loaded is not None
        facts = {"fruitlake.run_id": run, "fruitlake.first": str(first).lower()}
        loaded.append(pa.Table.from_pylist([{"label": run}], TABLES[name].arrow_schema), snapshot_properties=facts)
        time.sleep(0.002)  # Iceberg's timestamps have milliseconds


def runs(lake: Lake) -> dict[str, list[str]]:
    """The runs whose rows readers see, by table."""
    found = {name: dataset(lake, name).to_table(["label"])["label"].to_pylist() for name in lake.tables()}
    return {name: sorted(labels) for name, labels in found.items()}


def snapshot(lake: Lake, table: str, run: str) -> Snapshot:
    return next(s for s in lake.history(table) if s.run == run)


def test_every_table_goes_back_together(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, IMAGES, VECTORS, SUMMARY)
    rollback_lake(lake, FIRST)
    assert runs(lake) == {IMAGES: [FIRST], VECTORS: [FIRST]}
    assert not Path(lake.location(SUMMARY)).exists(), "created later, so nothing of it remains"
    publish(lake, THIRD, SUMMARY)
    assert runs(lake) == {IMAGES: [FIRST], VECTORS: [FIRST], SUMMARY: [THIRD]}


def test_newer_versions_stay_in_the_history_so_that_there_is_a_way_forth(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, VECTORS)
    rollback_lake(lake, FIRST)
    assert {s.run for s in lake.history(VECTORS)} == {FIRST, SECOND}
    rollback_lake(lake, SECOND)
    assert runs(lake) == {IMAGES: [FIRST], VECTORS: [FIRST, SECOND]}


def test_what_a_later_run_did_not_publish_is_what_it_found(lake: Lake) -> None:
    """The third run began after a rollback, when the second run's images were in the history, but not current."""
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, IMAGES, VECTORS)
    rollback_lake(lake, FIRST)
    publish(lake, THIRD, VECTORS)
    rollback_lake(lake, SECOND)
    assert runs(lake) == {IMAGES: [FIRST, SECOND], VECTORS: [FIRST, SECOND]}
    state = rollback_lake(lake, THIRD)
    assert runs(lake) == {IMAGES: [FIRST], VECTORS: [FIRST, THIRD]}
    assert {table: version.run for table, version in state.items() if version} == {IMAGES: FIRST, VECTORS: THIRD}


def test_to_go_back_to_the_latest_run_changes_nothing(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES)
    before = lake.load(IMAGES)
    rollback_lake(lake, FIRST)
    after = lake.load(IMAGES)
    assert before is not None and after is not None
    assert after.metadata_location == before.metadata_location


def test_an_unknown_run_is_told_with_the_latest_ones(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES)
    publish(lake, SECOND, IMAGES)
    with pytest.raises(CatalogError, match=f"no run 'yesterday' is in the lake's history.*{FIRST}, {SECOND}"):
        rollback_lake(lake, "yesterday")


def test_an_expired_version_is_told_and_no_table_moves(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, IMAGES, VECTORS)
    loaded = lake.load(VECTORS)
    assert loaded is not None
    loaded.maintenance.expire_snapshots().by_id(snapshot(lake, VECTORS, FIRST).id).commit()
    with pytest.raises(CatalogError, match=rf"gold\.fruit_vectors after the run {FIRST} has been expired"):
        rollback_lake(lake, FIRST)
    assert runs(lake) == {IMAGES: [FIRST, SECOND], VECTORS: [FIRST, SECOND]}
    assert [version.run for version in state_after(lake, SECOND).values() if version] == [SECOND, SECOND]


def test_one_table_goes_back_alone(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, IMAGES, VECTORS)
    assert rollback_table(lake, VECTORS, snapshot(lake, VECTORS, FIRST).id).run == FIRST
    assert runs(lake) == {IMAGES: [FIRST, SECOND], VECTORS: [FIRST]}


def test_a_snapshot_the_table_does_not_have_is_told_with_those_it_has(lake: Lake) -> None:
    publish(lake, FIRST, IMAGES)
    known = snapshot(lake, IMAGES, FIRST).id
    with pytest.raises(CatalogError, match=rf"bronze\.images has no snapshot 7, only {known}: .*catalog history"):
        rollback_table(lake, IMAGES, 7)


def test_as_of_the_very_moment_of_a_version_is_that_version(lake: Lake) -> None:
    for minute in range(10, 30):
        publish(lake, f"20260314T09{minute}00-1a2b", IMAGES)
    for version in lake.history(IMAGES):
        seen = lake.as_of(IMAGES, version.created_at)
        assert seen is not None and seen.id == version.id
