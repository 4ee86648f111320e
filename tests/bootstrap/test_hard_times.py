"""A full disk, a lake that may only be read, a photo that goes away, no memory: one clear line, a lake as it was."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from py4j import java_gateway
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.summary import print_status
from catalog.datasets import dataset
from catalog.errors import CatalogError, FruitlakeError
from catalog.lock import alone
from ingestion.bronze import Ingestion
from ingestion.samples import write_sample_photos
from tests.lakes import Lake
from tests.photos import photo, raw_png
from tests.torture.checks import check_whole
from tests.torture.processes import start, wait_until_gone

LABELS = ("Lemon", "Banana")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk that fills up needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def rows(lake: Lake) -> dict[str, int]:
    for table in lake.catalog.tables():
        for snapshot in lake.catalog.history(table):
            check_whole(lake.catalog, snapshot, every_value=True)
    return {t: s.rows for t in lake.catalog.tables() if (s := lake.catalog.current(t))}


def test_a_full_disk_stops_the_run_and_spoils_nothing(disk: Path, tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", disk / "lake", cache)
    write_sample_photos(lake.photos, per_label=4, size=64, labels=LABELS, workers=1)
    lake.run()
    before = rows(lake)
    for seed in range(24):  # of about 0.7 MB: noise cannot be compressed
        (lake.photos / "Lemon" / f"{seed}.png").write_bytes(photo(seed, "PNG", (480, 480)))
    with pytest.raises(FruitlakeError, match="No space left on device"):
        lake.run()
    assert rows(lake) == before
    print_status(lake.catalog, Console(quiet=True))
    remount(disk, "size=200m")
    lake.run()
    assert rows(lake)["gold.fruit_vectors"] == 8 + 24


def test_a_lake_that_may_only_be_read_is_left_alone_and_can_be_read(disk: Path, tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", disk / "lake", cache)
    write_sample_photos(lake.photos, per_label=2, size=64, labels=LABELS, workers=1)
    lake.run("bronze")
    before = rows(lake)
    with _readable_only(disk):
        with pytest.raises(CatalogError, match=r"cannot be written .*Read-only file system"):
            lake.run("bronze")
        with pytest.raises(CatalogError, match="cannot be written"), alone(str(lake.path)):
            pass
        assert rows(lake) == before
        print_status(lake.catalog, Console(quiet=True))


@contextmanager
def _readable_only(disk: Path) -> Iterator[None]:
    remount(disk, "ro")
    try:
        yield
    finally:
        remount(disk, "rw")


def test_a_photo_that_vanishes_after_it_was_listed_is_quarantined(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "Kiwi").mkdir()
    for seed in range(3):
        (tmp_path / "Kiwi" / f"{seed}.jpg").write_bytes(photo(seed))

    def reading_starts(title: str, total: int | None) -> nullcontext[None]:
        assert (title, total) == ("reading photos", 3)
        (tmp_path / "Kiwi" / "1.jpg").unlink()
        return nullcontext()

    ingestion = Ingestion(spark, str(tmp_path), None, None, reading_starts)
    images, quarantine = ingestion.images(), ingestion.quarantine()
    assert images is not None and quarantine is not None
    assert images.count() == 2
    [row] = quarantine.collect()
    assert (Path(row.source_path).name, row.reason) == ("1.jpg", "unreadable source")
    assert (ingestion.counts(2).inputs, ingestion.counts(2).quarantined) == (3, 1)
    ingestion.close()


WORKER_KILOBYTES = 800_000  # of address space: what a worker needs itself, and not 600 MB of pixels


def test_a_photo_that_does_not_fit_in_a_workers_memory_waits_for_a_larger_one(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=3, size=64, labels=LABELS, workers=1)
    huge = lake.photos / "Lemon" / "huge.png"  # and legal
    huge.write_bytes(raw_png((7_000, 7_000), 8, 6, bytes(28_000)))  # with transparency, three times 196 MB
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -v {WORKER_KILOBYTES}\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    places = ("--images", str(lake.photos), "--lake", str(lake.path))
    given = {"FRUITLAKE_CACHE": str(cache), "FRUITLAKE_MAX_QUARANTINE_SHARE": "1", "PYSPARK_PYTHON": str(python)}
    starved = start("bronze", *places, **given)
    said = wait_until_gone(starved)
    assert starved.returncode == 0, said
    assert rows(lake) == {"bronze.images": 6, "bronze.quarantine": 1}
    quarantine = lake.catalog.current("bronze.quarantine")
    assert quarantine is not None
    [rejected] = dataset(str(lake.path), quarantine).to_table().to_pylist()
    assert (rejected["source_path"], rejected["reason"]) == (str(huge), "unreadable source")
    assert rejected["detail"] == "7000x7000 px do not fit in this worker's memory"
    lake.run("bronze")
    assert rows(lake) == {"bronze.images": 7, "bronze.quarantine": 1}


def test_py4j_does_not_tell_of_a_dead_jvm_by_a_traceback(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    """The run says it in a line; that Py4J logs these words, and so, is what its source shows."""
    assert '"Exception while sending command.")' in inspect.getsource(java_gateway)
    logging.exception("Exception while sending command.")
    assert caplog.records == []
    logging.error("another error")
    assert [record.msg for record in caplog.records] == ["another error"]
