"""Check the invariants of a lake, at any moment and after a run has finished.

always      every snapshot that PyIceberg or DuckDB sees is complete, audited and of one PCA; `status` works
finished    exactly the rows of an uninterrupted run; `vacuum` removes all orphans and nothing else
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
from pyiceberg.table import Table
from rich.console import Console

from bootstrap.session import start
from bootstrap.settings import Settings
from bootstrap.summary import print_status
from catalog.branch import drop_branches
from catalog.lake import Lake, open_lake
from catalog.maintenance import VacuumPlan, carry_out, plan
from catalog.scan import data_files, dataset_of
from catalog.snapshots import Snapshot, current_of, history_of
from catalog.storage import local_or_s3
from catalog.tables import TABLES

_KEPT = timedelta(days=365)  # keeps every published snapshot: vacuum removes only leftovers of killed runs


@contextmanager
def reader(lake: str) -> Iterator[list[str]]:
    """Read all tables repeatedly during the block; yields the list of reads so far, by table name."""
    stop, looks, wrong = threading.Event(), list[str](), list[str]()
    tables = open_lake(lake)

    def read() -> None:
        while not stop.wait(0.2):  # leave the CPU to the run
            for name in TABLES:
                try:
                    loaded = tables.load(name)
                    if loaded and (version := current_of(name, loaded)):
                        check_version(loaded, version)
                        looks.append(name)
                except Exception as error:  # noqa: BLE001  # any error that a reader sees is a failure
                    wrong.append(f"{name}: {error!r}")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
    assert not wrong, wrong[:3]


def check_version(loaded: Table, version: Snapshot) -> None:
    """Raise AssertionError unless the snapshot is audited, complete, without duplicate keys, and of one PCA."""
    table, named = TABLES[version.table], f"{version.table} {version.id}"
    assert version.properties.get("audit_result") in ("passed", "warned"), f"{named} was not audited"
    keys = loaded.scan(snapshot_id=version.id, selected_fields=table.key).to_arrow()
    assert keys.num_rows == version.rows, f"{named}: PyIceberg reads {keys.num_rows} rows, not {version.rows}"
    assert keys.group_by(list(table.key)).aggregate([]).num_rows == version.rows, f"{named} has rows twice"
    has_pca = any(column.name == "pca_id" for column in table.columns)
    counted = "count(*), list(distinct pca_id)" if has_pca else "count(*), []"
    if files := [local_or_s3(uri) for uri in data_files(loaded, version.id)]:
        asked = f"select {counted} from read_parquet($files, hive_partitioning = false)"
        with duckdb.connect() as engine:  # one connection per thread
            [(rows, pcas)] = engine.execute(asked, {"files": files}).fetchall()
        assert rows == version.rows, f"{named}: DuckDB reads {rows} rows, not {version.rows}"
        wanted = [version.properties["pca_id"]] if has_pca and rows else []
        assert (pcas or []) == wanted, f"{named} is of the PCAs {pcas}"


def check_lake(lake: Lake) -> None:
    """Check that `status` works and that every published snapshot can be read completely."""
    print_status(lake, Console(quiet=True))
    for name in lake.tables():
        loaded = lake.load(name)
        assert loaded is not None
        for version in history_of(name, loaded):
            check_version(loaded, version)
            dataset_of(TABLES[name], data_files(loaded, version.id)).to_table().validate(full=True)


def check_vacuum(settings: Settings) -> VacuumPlan:
    """Check that vacuum removes all orphans and nothing else; returns what it removed."""
    lake = settings.open_lake()
    spark = start(settings, lake)
    needed = _needed_data(lake)
    with lake.exclusive():
        drop_branches(spark, lake, keep=lambda name: False)
        planned = plan(spark, lake, _KEPT)
        carry_out(spark, lake, planned)
        again = plan(spark, lake, _KEPT)
    assert (again.snapshots, again.orphans, again.leftovers) == ((), (), ()), again
    assert _needed_data(lake) == needed, "vacuum took what a version needs"
    found = {p for table in lake.existing_tables() for p in Path(lake.location(table)).rglob("*") if p.is_file()}
    shown = {p for p in found if not p.name.startswith(".")}
    assert shown == needed | _needed_metadata(lake), "vacuum left an orphan"
    assert {p.name for p in found - shown} <= {f".{p.name}.crc" for p in shown}, "vacuum left an orphan's checksum"
    left = [p for p in Path(lake.uri).rglob("*.tmp") if "_stream" not in p.parts]  # Spark leaves its own there
    assert not left
    return planned


def _needed_data(lake: Lake) -> set[Path]:
    """The data files of every published snapshot."""
    found: set[str] = set()
    for name in lake.existing_tables():
        loaded = lake.load(name)
        assert loaded is not None
        for version in history_of(name, loaded):
            found |= data_files(loaded, version.id).keys()
    return {Path(local_or_s3(uri)) for uri in found}


def _needed_metadata(lake: Lake) -> set[Path]:
    """Iceberg's own files: current and logged metadata files, and every snapshot's manifest list and manifests."""
    found: set[str] = set()
    for name in lake.existing_tables():
        loaded = lake.load(name)
        assert loaded is not None
        found |= {loaded.metadata_location, *(entry.metadata_file for entry in loaded.metadata.metadata_log)}
        for snapshot in loaded.metadata.snapshots:
            found |= {snapshot.manifest_list, *(m.manifest_path for m in snapshot.manifests(loaded.io))}
    return {Path(local_or_s3(uri)) for uri in found}
