"""Vacuum: what no retained snapshot names goes, and nothing else; a folder that a run may be writing stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.errors import BusyError, CatalogError
from catalog.glue import GlueCatalog
from catalog.lock import alone, working
from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import delete_file, exists, write_object
from catalog.tables import FRUIT_VECTORS, IMAGES, PCA
from catalog.vacuum import Plan, carry_out, plan
from tests.aws import AwsServer

MONTH = timedelta(days=30)
OLD, NEW = "20260101T000000-aaaa", "20260601T000000-bbbb"


@pytest.fixture(params=["local_catalog", "glue_catalog"])
def catalog(request: pytest.FixtureRequest) -> Iterator[Catalog]:
    yield request.getfixturevalue(request.param)


def put(catalog: Catalog, *folders: str) -> None:
    for folder in folders:
        write_object(f"{catalog.lake}/{folder}/part-0.parquet", b"rows")


def there(catalog: Catalog, folder: str) -> bool:
    return exists(f"{catalog.lake}/{folder}/part-0.parquet")


def gold(id_: str, parent: str | None, age: timedelta, pca: str) -> Snapshot:
    location = f"gold/fruit_vectors/snapshot={id_}"
    partitions = {"Kiwi Half": f"{location}/label=Kiwi Half"}
    made = (datetime.now(UTC) - age).isoformat(timespec="seconds")
    return Snapshot(
        FRUIT_VECTORS.name,
        id_,
        location,
        FRUIT_VECTORS.columns,
        1,
        4,
        "label",
        partitions,
        {"pca_id": pca},
        parent,
        made,
    )


def bronze(id_: str, parent: str | None, age: timedelta, *folders: str) -> Snapshot:
    partitions = {folder.rsplit("=", 1)[1]: folder for folder in folders}
    made = (datetime.now(UTC) - age).isoformat(timespec="seconds")
    return Snapshot(IMAGES.name, id_, "bronze/images", IMAGES.columns, 1, 4, "batch", partitions, {}, parent, made)


def test_old_snapshots_go_and_the_current_one_stays_however_old(catalog: Catalog) -> None:
    for id_, parent in ((OLD, None), (NEW, OLD)):
        put(catalog, f"gold/fruit_vectors/snapshot={id_}/label=Kiwi Half", f"model/pca/{id_}")
        catalog.publish(gold(id_, parent, timedelta(days=40), id_))
    assert plan(catalog, timedelta(days=41)).empty
    planned = plan(catalog, MONTH)
    assert planned == Plan(
        ((FRUIT_VECTORS.name, OLD),), (f"gold/fruit_vectors/snapshot={OLD}", f"model/pca/{OLD}"), (), 8
    )
    assert there(catalog, f"model/pca/{OLD}"), "a plan changes nothing"
    carry_out(catalog, planned)
    assert [s.id for s in catalog.history(FRUIT_VECTORS.name)] == [NEW]
    assert not there(catalog, f"gold/fruit_vectors/snapshot={OLD}/label=Kiwi Half")
    assert not there(catalog, f"model/pca/{OLD}")
    assert there(catalog, f"gold/fruit_vectors/snapshot={NEW}/label=Kiwi Half")
    assert there(catalog, f"model/pca/{NEW}")
    assert plan(catalog, timedelta(0)).empty


def test_nothing_goes_while_an_entry_is_damaged(catalog: Catalog) -> None:
    """Nobody knows which folders the snapshot needs, and whoever restores it would miss them."""
    folder = f"gold/fruit_vectors/snapshot={OLD}/label=Kiwi Half"
    put(catalog, folder)
    catalog.publish(gold(OLD, None, 2 * MONTH, ""))
    catalog.publish(gold(NEW, OLD, timedelta(0), ""))
    entry = f"{catalog.lake}/_catalog/{FRUIT_VECTORS.name}/{OLD}.json"
    write_object(entry, b"")
    with pytest.raises(CatalogError, match=rf"{OLD}\.json cannot be read .*remove the entry"):
        plan(catalog, MONTH)
    delete_file(entry)
    assert plan(catalog, MONTH).folders == (f"gold/fruit_vectors/snapshot={OLD}",)


def test_athena_is_not_left_looking_into_a_folder_that_goes(glue_catalog: GlueCatalog, aws: AwsServer) -> None:
    """A run was killed after it had moved a partition, and before the pointer."""
    killed = f"gold/fruit_vectors/snapshot={OLD}/label=Kiwi Half"
    put(glue_catalog, killed)
    glue_catalog.publish(gold(NEW, None, timedelta(0), ""))
    where: Any = {"DatabaseName": "fruits_gold", "TableName": "fruit_vectors"}
    (partition,) = aws.glue.get_partitions(**where)["Partitions"]
    moved: Any = {"Values": partition["Values"], "StorageDescriptor": {"Location": f"{glue_catalog.lake}/{killed}/"}}
    aws.glue.update_partition(**where, PartitionValueList=partition["Values"], PartitionInput=moved)
    carry_out(glue_catalog, plan(glue_catalog, MONTH))
    assert not there(glue_catalog, killed)
    (mended,) = aws.glue.get_partitions(**where)["Partitions"]
    assert mended["StorageDescriptor"] == partition["StorageDescriptor"]


def test_batches_that_a_newer_snapshot_shares_stay(catalog: Catalog) -> None:
    first, second, abandoned = (f"bronze/images/batch={i}" for i in (OLD, NEW, "20260301T000000-dead"))
    put(catalog, first, second, abandoned)
    catalog.publish(bronze(OLD, None, 2 * MONTH, first))
    catalog.publish(bronze(NEW, OLD, timedelta(0), first, second))
    carry_out(catalog, plan(catalog, MONTH))
    assert [s.id for s in catalog.history(IMAGES.name)] == [NEW]
    assert [there(catalog, folder) for folder in (first, second, abandoned)] == [True, True, False]


def test_a_rewritten_batch_stays_and_one_that_was_rewritten_again_goes(catalog: Catalog) -> None:
    rewritten = f"bronze/images/rewrite={OLD}"
    put(catalog, f"{rewritten}/batch=1", f"{rewritten}/batch=2", f"bronze/images/rewrite={NEW}/batch=1")
    catalog.publish(bronze(NEW, None, timedelta(0), f"{rewritten}/batch=1"))
    assert plan(catalog, MONTH).folders == (f"{rewritten}/batch=2", f"bronze/images/rewrite={NEW}")


def test_what_is_not_ours_stays(catalog: Catalog) -> None:
    foreign = (
        "notes",
        "bronze/images/mine",
        "bronze/images/batch=mine",
        "bronze/other/batch=" + OLD,
        "model/mobilenet",
    )
    put(catalog, *foreign)
    assert plan(catalog, timedelta(0)).empty


def test_a_first_publish_that_was_killed_leaves_nothing(local_catalog: Catalog) -> None:
    folder = f"bronze/images/batch={OLD}"
    put(local_catalog, folder)
    local_catalog.publish(bronze(OLD, None, timedelta(0), folder))
    os.remove(f"{local_catalog.lake}/_catalog/{IMAGES.name}/CURRENT")
    write_object(f"{local_catalog.lake}/_catalog/{IMAGES.name}/CURRENT.77.tmp", b"half")
    carry_out(local_catalog, plan(local_catalog, MONTH))
    assert local_catalog.history(IMAGES.name) == []
    assert not there(local_catalog, folder)
    assert not exists(f"{local_catalog.lake}/_catalog/{IMAGES.name}/CURRENT.77.tmp")


def test_in_a_bucket_a_young_folder_may_still_be_written(glue_catalog: Catalog) -> None:
    now = datetime.now(UTC)
    young, old = (f"{now - timedelta(hours=hours):%Y%m%dT%H%M%S}-aaaa" for hours in (23, 25))
    put(glue_catalog, f"bronze/images/batch={young}", f"bronze/images/batch={old}")
    assert plan(glue_catalog, MONTH).folders == (f"bronze/images/batch={old}",)
    alone = plan(glue_catalog, MONTH, no_run_is_under_way=True)
    assert sorted(alone.folders) == sorted(f"bronze/images/batch={id_}" for id_ in (young, old))


def test_the_current_snapshot_cannot_be_forgotten(catalog: Catalog) -> None:
    catalog.publish(gold(NEW, None, timedelta(0), ""))
    with pytest.raises(CatalogError, match=r"is what readers of gold\.fruit_vectors see"):
        catalog.forget(FRUIT_VECTORS.name, NEW)
    with pytest.raises(CatalogError, match="has no snapshot 'nonsense'"):
        catalog.forget(FRUIT_VECTORS.name, "nonsense")


def test_a_pca_that_vectors_were_made_with_stays(catalog: Catalog) -> None:
    put(catalog, f"model/pca/{OLD}")
    catalog.publish(gold(NEW, None, timedelta(0), OLD))
    catalog.publish(replace(gold(NEW, None, timedelta(0), ""), table=PCA.name, partition_by=None, partitions={}))
    assert plan(catalog, timedelta(0)).folders == ()


def test_runs_work_side_by_side_and_vacuum_alone(local_catalog: Catalog) -> None:
    lake = local_catalog.lake
    with working(lake), working(lake), pytest.raises(BusyError, match="in use by a run"), alone(lake):
        pass
    with alone(lake):
        with pytest.raises(BusyError, match="being vacuumed"), working(lake):
            pass
        with pytest.raises(BusyError), alone(lake):
            pass
    with alone(lake):
        pass
