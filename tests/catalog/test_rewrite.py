"""Rewriting: the unwanted rows go, the others stay as they were, in the files that Spark wrote them to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.errors import ConcurrentPublishError
from catalog.local import LocalCatalog
from catalog.protocol import Catalog
from catalog.rewrite import rows_like, without_rows
from catalog.snapshot import Snapshot
from catalog.storage import filesystem
from catalog.tables import FRUIT_VECTORS, IMAGES

SCHEMA = pa.schema(
    [("image_id", pa.string()), ("label", pa.string()), ("content", pa.binary()), ("ingested_at", pa.timestamp("us"))]
)
NOON = datetime(2026, 1, 1, 12)


@pytest.fixture(params=["local_catalog", "glue_catalog"])
def catalog(request: pytest.FixtureRequest) -> Catalog:
    """Two batches: one of two files, one of one."""
    made: Catalog = request.getfixturevalue(request.param)
    write(made, "b1", "0", "abc")
    write(made, "b1", "1", "de")
    write(made, "b2", "0", "fg")
    partitions = {b: f"bronze/images/batch={b}" for b in ("b1", "b2")}
    made.publish(
        Snapshot(IMAGES.name, "1", "bronze/images", IMAGES.columns, 7, 0, "batch", partitions, {"kept": "yes"})
    )
    return made


def write(catalog: Catalog, batch: str, name: str, ids: Iterable[str]) -> None:
    rows = [{"image_id": i, "label": f"label of {i}", "content": i.encode() * 9, "ingested_at": NOON} for i in ids]
    fs, path = filesystem(f"{catalog.lake}/bronze/images/batch={batch}")
    fs.create_dir(path, recursive=True)
    pq.write_table(
        pa.Table.from_pylist(rows, SCHEMA), f"{path}/part-{name}.parquet", filesystem=fs, compression="zstd",
        use_deprecated_int96_timestamps=True, row_group_size=2,
    )  # fmt: skip


def content(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Rows by id, as the current snapshot has them."""
    snapshot = catalog.current(IMAGES.name)
    assert snapshot is not None
    rows = []
    for folder in snapshot.partitions.values():
        fs, path = filesystem(f"{catalog.lake}/{folder}")
        rows += pq.read_table(path, filesystem=fs, partitioning=None).to_pylist()
    return {row["image_id"]: row for row in rows}


def folders(catalog: Catalog) -> dict[str, str]:
    snapshot = catalog.current(IMAGES.name)
    assert snapshot is not None
    return dict(snapshot.partitions)


def test_only_the_rows_go_and_only_their_batch_moves(catalog: Catalog) -> None:
    before = content(catalog)
    assert without_rows(catalog, IMAGES.name, {"image_id": {"b", "d", "x"}}, "2") == 2
    assert content(catalog) == {i: before[i] for i in "acefg"}
    assert folders(catalog) == {"b1": "bronze/images/rewrite=2/batch=b1", "b2": "bronze/images/batch=b2"}
    now = catalog.current(IMAGES.name)
    assert now is not None
    assert (now.id, now.parent, now.rows) == ("2", "1", 5)
    assert now.parameters == {"kept": "yes", "rows_added": "0", "rows_erased": "2"}


def test_the_files_are_coded_as_before(local_catalog: LocalCatalog) -> None:
    catalog = local_catalog
    write(catalog, "b1", "0", "abc")
    partitions = {"b1": "bronze/images/batch=b1"}
    catalog.publish(Snapshot(IMAGES.name, "1", "bronze/images", IMAGES.columns, 3, 0, "batch", partitions))
    without_rows(catalog, IMAGES.name, {"image_id": {"b"}}, "2")
    old, new = (
        pq.read_metadata(next((Path(catalog.lake) / folder).glob("*.parquet")))
        for folder in ("bronze/images/batch=b1", folders(catalog)["b1"])
    )
    assert new.schema.equals(old.schema)
    for column in range(len(SCHEMA)):
        assert new.row_group(0).column(column).compression == old.row_group(0).column(column).compression == "ZSTD"
    assert new.row_group(0).column(3).physical_type == "INT96"


def test_a_file_and_a_batch_without_rows_are_not_written(catalog: Catalog) -> None:
    assert without_rows(catalog, IMAGES.name, {"image_id": set("abcfg")}, "2") == 5
    assert set(content(catalog)) == {"d", "e"}
    assert set(folders(catalog)) == {"b1"}


def test_any_of_several_columns_may_say_that_a_row_goes(catalog: Catalog) -> None:
    unwanted = {"image_id": {"a"}, "label": {"label of g"}, "batch": {"b1"}}
    snapshot = catalog.current(IMAGES.name)
    assert snapshot is not None
    assert sorted(rows_like(catalog, snapshot, unwanted, ["image_id"])["image_id"].to_pylist()) == list("abcdeg")
    assert without_rows(catalog, IMAGES.name, unwanted, "2") == 6
    assert set(content(catalog)) == {"f"}


def test_what_is_not_there_publishes_nothing(catalog: Catalog) -> None:
    assert without_rows(catalog, IMAGES.name, {"image_id": {"x"}}, "2") == 0
    assert without_rows(catalog, IMAGES.name, {"image_id": set()}, "2") == 0
    assert without_rows(catalog, "bronze.quarantine", {"source_path": {"x"}}, "2") == 0
    assert [s.id for s in catalog.history(IMAGES.name)] == ["1"]


def test_a_run_that_publishes_meanwhile_wins(local_catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    write(local_catalog, "b1", "0", "abc")
    batch = {"b1": "bronze/images/batch=b1"}
    stale = Snapshot(IMAGES.name, "1", "bronze/images", IMAGES.columns, 3, 0, "batch", batch)
    local_catalog.publish(stale)
    link = os.link
    write(local_catalog, "b1", "1", "d")

    def publish_another(source: str, target: str) -> None:
        link(source, target)
        local_catalog.publish(replace(stale, id="other", parent="1"))

    monkeypatch.setattr(os, "link", publish_another)
    with pytest.raises(ConcurrentPublishError, match="run again"):
        without_rows(local_catalog, IMAGES.name, {"image_id": {"a"}}, "2")
    assert folders(local_catalog) == batch


def test_times_are_read_as_they_were(catalog: Catalog) -> None:
    without_rows(catalog, IMAGES.name, {"image_id": {"a"}}, "2")
    assert {row["ingested_at"].replace(tzinfo=UTC) for row in content(catalog).values()} == {NOON.replace(tzinfo=UTC)}


def test_a_table_that_is_replaced_as_a_whole_gets_a_new_folder(local_catalog: LocalCatalog) -> None:
    old = "gold/fruit_vectors/snapshot=1"
    partitions = {"Kiwi %": f"{old}/label=Kiwi %25", "Fig": f"{old}/label=Fig", "Plum": f"{old}/label=Plum"}
    for folder, ids in zip(partitions.values(), ("ab", "cd", "e"), strict=True):
        path = Path(local_catalog.lake, folder)
        path.mkdir(parents=True)
        pq.write_table(pa.table({"image_id": list(ids)}), path / "part-0.parquet")
    local_catalog.publish(
        Snapshot(FRUIT_VECTORS.name, "1", old, FRUIT_VECTORS.columns, 5, 0, "label", partitions, {"inputs": "old"})
    )
    assert without_rows(local_catalog, FRUIT_VECTORS.name, {"image_id": {"b", "e"}}, "2", {"inputs": "new"}) == 2
    now = local_catalog.current(FRUIT_VECTORS.name)
    assert now is not None
    assert (now.location, now.rows, now.parameters["inputs"]) == ("gold/fruit_vectors/snapshot=2", 3, "new")
    assert now.partitions == {f: p.replace("=1/", "=2/") for f, p in partitions.items() if f != "Plum"}
    assert not Path(local_catalog.lake, now.location, "label=Plum").exists(), "not even its name is left"
    assert sorted(pq.read_table(Path(local_catalog.lake, now.location))["image_id"].to_pylist()) == ["a", "c", "d"]
