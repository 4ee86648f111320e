"""What every catalog does, on a disk and on AWS: one pointer a table, a history, a way back."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.glue import GlueCatalog
from catalog.local import LocalCatalog
from catalog.protocol import Catalog
from catalog.snapshot import Snapshot, new_id
from catalog.storage import write_object
from tests.snapshots import TABLE, published, snapshot


@pytest.fixture(params=["local", "glue"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """The catalog of a lake that holds nothing yet."""
    found: Catalog = request.getfixturevalue("local_catalog" if request.param == "local" else "glue_catalog")
    return found


def again(catalog: Catalog) -> Catalog:
    """Another process' view of the same lake."""
    return LocalCatalog(catalog.lake) if isinstance(catalog, LocalCatalog) else GlueCatalog(catalog.lake)


def test_a_new_lake_has_no_tables(catalog: Catalog) -> None:
    assert catalog.tables() == []
    assert catalog.current(TABLE) is None
    assert catalog.history(TABLE) == []
    catalog.repair()
    assert catalog.tables() == []


def test_what_was_published_is_current(catalog: Catalog) -> None:
    catalog.publish(snapshot("1"))
    assert catalog.current(TABLE) == snapshot("1")
    assert catalog.tables() == [TABLE]
    assert again(catalog).current(TABLE) == snapshot("1")


def test_history_is_newest_first(catalog: Catalog) -> None:
    for id_, parent in (("1", None), ("2", "1"), ("3", "2")):
        catalog.publish(snapshot(id_, parent))
    assert published(catalog) == "3"
    assert [s.id for s in catalog.history(TABLE)] == ["3", "2", "1"]


def test_ids_of_runs_tell_their_time() -> None:
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{4}", new_id())
    assert len({new_id() for _ in range(5)}) > 1


def test_tables_with_and_without_partitions_stand_side_by_side(catalog: Catalog) -> None:
    plain = Snapshot("gold.pca", "1", "gold/pca/snapshot=1", (), 1, 9)
    empty = Snapshot("bronze.quarantine", "1", "bronze/quarantine", (), 0, 0, partition_by="batch")
    for one in (plain, empty, snapshot("1")):
        catalog.publish(one)
        assert catalog.current(one.table) == one
    assert catalog.tables() == ["bronze.quarantine", TABLE, "gold.pca"]


def test_a_rollback_makes_an_older_snapshot_current(catalog: Catalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    assert catalog.rollback(TABLE, "1") == snapshot("1")
    assert published(catalog) == "1"
    assert [s.id for s in catalog.history(TABLE)] == ["2", "1"]
    catalog.publish(snapshot("3", parent="1"))
    assert published(catalog) == "3"


def test_a_rollback_to_what_never_was_names_what_was(catalog: Catalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    with pytest.raises(CatalogError, match=f"{TABLE} has no snapshot '9': choose one of 2, 1"):
        catalog.rollback(TABLE, "9")
    with pytest.raises(CatalogError, match=r"gold.pca has no snapshot '9': choose one of \(none\)"):
        catalog.rollback("gold.pca", "9")
    assert published(catalog) == "2"


@pytest.mark.parametrize("parent", [None, "0"])
def test_a_snapshot_made_of_an_older_one_is_refused(catalog: Catalog, parent: str | None) -> None:
    catalog.publish(snapshot("1"))
    with pytest.raises(ConcurrentPublishError, match=r"published by another run \(1\).*run again"):
        catalog.publish(snapshot("2", parent))
    assert published(catalog) == "1"
    assert [s.id for s in catalog.history(TABLE)] == ["1"]


@pytest.mark.parametrize("parent", ["0", None])
def test_of_many_writers_at_once_exactly_one_publishes(catalog: Catalog, parent: str | None) -> None:
    if parent:
        catalog.publish(snapshot(parent))

    def publish(number: int) -> str | None:
        try:
            again(catalog).publish(snapshot(f"{number}", parent, labels=[f"label {number}"]))
        except ConcurrentPublishError:
            return None
        return f"{number}"

    with ThreadPoolExecutor(4) as pool:
        winners = [id_ for id_ in pool.map(publish, range(1, 5)) if id_]
    assert winners == [published(catalog)]
    assert [s.id for s in catalog.history(TABLE)] == [*winners, *filter(None, [parent])]


def test_what_is_forgotten_is_no_longer_in_the_history(catalog: Catalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    catalog.forget(TABLE, "1")
    assert [s.id for s in catalog.history(TABLE)] == ["2"]
    for id_, says in (("2", "is what readers .* see"), ("1", "has no snapshot '1': choose one of 2")):
        with pytest.raises(CatalogError, match=says):
            catalog.forget(TABLE, id_)
    assert catalog.current(TABLE) == snapshot("2", parent="1")


def test_a_damaged_older_entry_is_named_and_the_others_are_listed(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    for id_, parent in (("1", None), ("2", "1"), ("3", "2")):
        catalog.publish(snapshot(id_, parent))
    write_object(f"{catalog.lake}/_catalog/{TABLE}/2.json", b'{"table": "gol')
    assert [s.id for s in catalog.history(TABLE)] == ["3", "1"]
    (told,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    named = (
        rf"entry .*/_catalog/{TABLE}/2\.json cannot be read .*: restore it, or, .* not the current .* remove the entry"
    )
    assert re.search(named, told)
    with pytest.raises(CatalogError, match=named):
        catalog.history(TABLE, whole=True)
    assert catalog.current(TABLE) == snapshot("3", parent="2")
    assert catalog.rollback(TABLE, "1") == snapshot("1")


def test_repairing_a_whole_lake_changes_nothing(catalog: Catalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    catalog.repair()
    assert published(catalog) == "2"
    assert [s.id for s in catalog.history(TABLE)] == ["2", "1"]


def test_what_is_dropped_is_as_if_it_had_never_been(catalog: Catalog) -> None:
    catalog.drop(TABLE)
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    catalog.drop(TABLE)
    assert (catalog.tables(), catalog.current(TABLE), catalog.history(TABLE)) == ([], None, [])
    catalog.publish(snapshot("3"))
    assert published(catalog) == "3"
