"""What must hold of a lake at every instant, and what once a run has got through.

always      every table that a reader sees is whole; status works; so is every older snapshot
finished    exactly the rows of an uninterrupted run; vacuum removes all orphans and nothing else
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console

from bootstrap.summary import print_status
from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot
from catalog.tables import TABLES
from catalog.vacuum import Plan, carry_out, plan


@contextmanager
def reader(catalog: LocalCatalog) -> Iterator[list[str]]:
    """Reads all tables again and again while a run works; gives the looks it took."""
    stop, looks, wrong = threading.Event(), list[str](), list[str]()

    def read() -> None:
        while not stop.wait(0.2):  # the run needs the processors more
            for table in TABLES:
                try:
                    if (snapshot := catalog.current(table)) is not None:
                        check_whole(catalog, snapshot)
                        looks.append(table)
                except Exception as error:  # noqa: BLE001  # whatever a reader meets is what is looked for
                    wrong.append(f"{table}: {error!r}")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
    assert not wrong, wrong[:3]


def check_whole(catalog: LocalCatalog, snapshot: Snapshot, every_value: bool = False) -> None:
    """Raise AssertionError unless the files hold exactly the snapshot's rows."""
    folders = snapshot.partitions.values() if snapshot.partition_by else [snapshot.location]
    rows = 0
    for folder in folders:
        for file in Path(catalog.lake, folder).glob("*.parquet"):
            rows += pq.read_metadata(file).num_rows
            if every_value:
                pq.read_table(file, partitioning=None).validate(full=True)
    assert rows == snapshot.rows, f"{snapshot.table} {snapshot.id}: {rows} rows in its files, not {snapshot.rows}"


def check_lake(catalog: LocalCatalog) -> None:
    """status works, and every published snapshot, not only the current one, is whole."""
    print_status(catalog, Console(quiet=True))
    for table in catalog.tables():
        for snapshot in catalog.history(table, whole=True):
            check_whole(catalog, snapshot, every_value=True)


def check_vacuum(catalog: LocalCatalog) -> Plan:
    """It removes all orphans and nothing else. Returns what it removed."""
    lake, needed = Path(catalog.lake), _needed_files(catalog)
    planned = plan(catalog, timedelta.max)
    carry_out(catalog, planned)
    assert plan(catalog, timedelta.max).empty
    assert _needed_files(catalog) == needed, "vacuum took what a snapshot needs"
    layers = [p for layer in ("bronze", "silver", "gold") for p in (lake / layer).rglob("*.parquet")]
    assert set(layers) == needed, "vacuum left an orphan"
    assert not list(lake.rglob("*.tmp"))
    return planned


def _needed_files(catalog: LocalCatalog) -> set[Path]:
    snapshots = [s for table in catalog.tables() for s in catalog.history(table)]
    folders = {f for s in snapshots for f in (s.partitions.values() if s.partition_by else [s.location])}
    return {p for folder in folders for p in Path(catalog.lake, folder).glob("*.parquet")}
