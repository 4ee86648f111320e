"""A full disk, a read-only lake, a vanishing photo, no memory: one clear error line, and an unchanged lake."""

import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from py4j import java_gateway
from pyspark.sql import SparkSession

from bootstrap import pipeline, session
from catalog.branch import AuditBranch, branch_name
from catalog.errors import CatalogError, FruitlakeError, RunError
from catalog.tables import PCA
from ingestion.bronze import Ingestion
from ingestion.samples import write_sample_photos
from ingestion.walk import Source
from tests.lakes import Lake
from tests.photos import photo, raw_png
from tests.torture.checks import check_lake
from tests.torture.processes import start, wait_until_gone

LABELS = ("Lemon", "Banana")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
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
    """Row counts by table, after checking that every version can be read."""
    check_lake(lake.tables)
    return {table: version.rows for table, version in lake.tables.current_snapshots().items()}


@pytest.mark.exhaustive
def test_a_full_disk_stops_the_run_and_spoils_nothing(disk: Path, tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", disk / "lake", cache)
    write_sample_photos(lake.photos, per_label=4, labels=LABELS)
    lake.run()
    before = rows(lake)
    for seed in range(24):  # about 0.7 MB each, because noise cannot be compressed
        (lake.photos / "Lemon" / f"{seed}.png").write_bytes(photo(seed, "PNG", (480, 480)))
    with pytest.raises(FruitlakeError, match="No space left on device"):
        lake.run()
    assert rows(lake) == before
    remount(disk, "size=200m")
    lake.run()
    assert rows(lake)["gold.fruit_vectors"] == 8 + 24


def test_a_lake_that_may_only_be_read_is_left_alone_and_can_be_read(disk: Path, tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", disk / "lake", cache)
    write_sample_photos(lake.photos, per_label=2, labels=LABELS)
    lake.run("bronze")
    before = rows(lake)
    with _readable_only(disk):
        with pytest.raises(CatalogError, match=r"cannot be written .*Read-only file system"):
            lake.run("bronze")
        with pytest.raises(CatalogError, match="cannot be written"), lake.tables.exclusive():
            pass
        assert rows(lake) == before


@contextmanager
def _readable_only(disk: Path) -> Iterator[None]:
    """Mount the disk a second time, read-only, because the first mount is in use while Spark has the catalog open."""
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    remount(disk, "bind,ro")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_photo_that_vanishes_after_it_was_listed_is_quarantined(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "Kiwi").mkdir()
    for seed in range(3):
        (tmp_path / "Kiwi" / f"{seed}.jpg").write_bytes(photo(seed))

    def reading_starts(title: str, total: int | None) -> nullcontext[None]:
        assert (title, total) == ("reading photos", 3)
        (tmp_path / "Kiwi" / "1.jpg").unlink()
        return nullcontext()

    ingestion = Ingestion(spark, Source(str(tmp_path)), None, None, "a batch", reading_starts)
    images, quarantine = ingestion.images(), ingestion.quarantine()
    assert images is not None and quarantine is not None
    assert images.count() == 2
    [row] = quarantine.collect()
    assert (Path(row.source_path).name, row.reason) == ("1.jpg", "unreadable source")
    assert (ingestion.counts.found, ingestion.counts.quarantined) == (3, 1)
    ingestion.close()


WORKER_KILOBYTES = 650_000  # address space: a worker takes 370 MB, and the photo below 560 MB more


@pytest.mark.exhaustive
def test_a_photo_that_does_not_fit_in_a_workers_memory_waits_for_a_larger_one(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=3, labels=LABELS)
    huge = lake.photos / "Lemon" / "huge.png"  # within the pixel limit
    huge.write_bytes(raw_png((7_000, 7_000), 8, 6, bytes(28_000)))  # RGBA: 196 MB, held three times
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nexport MALLOC_ARENA_MAX=1\nulimit -v {WORKER_KILOBYTES}\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    places = ("--images", str(lake.photos), "--lake", str(lake.path))
    given = {"FRUITLAKE_CACHE": str(cache), "FRUITLAKE_MAX_QUARANTINE_SHARE": "1", "PYSPARK_PYTHON": str(python)}
    starved = start("bronze", *places, **given)
    said = wait_until_gone(starved)
    assert starved.returncode == 0, said
    assert rows(lake) == {"bronze.images": 6, "bronze.quarantine": 1}
    [rejected] = lake.rows("bronze.quarantine")
    assert (rejected["source_path"], rejected["reason"]) == (str(huge), "unreadable source")
    assert rejected["detail"] == "7000x7000 px do not fit in this worker's memory"
    lake.run("bronze")
    assert rows(lake) == {"bronze.images": 7, "bronze.quarantine": 1}


def test_py4j_does_not_tell_of_a_dead_jvm_by_a_traceback(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    """The run reports it in one line; the message that Py4J logs with a traceback is checked against its source."""
    assert '"Exception while sending command.")' in inspect.getsource(java_gateway)
    logging.exception("Exception while sending command.")
    assert caplog.records == []
    logging.error("another error")
    assert [record.msg for record in caplog.records] == ["another error"]


def test_a_run_that_starts_spark_slowly_leaves_the_branches_of_a_faster_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the lock exclusively when it began, but must not mistake younger branches for those of killed runs."""
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    branches = []

    def slowly(*given: Any) -> SparkSession:
        monkeypatch.undo()
        with lake.open() as faster:
            AuditBranch(faster.spark, faster.lake, PCA, faster.id, None)
            branches.append(branch_name(faster.id))
        return session.start(*given)

    monkeypatch.setattr(pipeline, "start", slowly)
    with lake.open():
        loaded = lake.tables.load(PCA.name)
        assert loaded is not None and set(loaded.refs()) == set(branches)


def test_a_reading_that_fails_is_one_error(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("the network is down")

    monkeypatch.setattr("ingestion.bronze.list_source", fail)
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=1, labels=LABELS)
    with pytest.raises(RunError, match=r"^reading the photos failed: OSError: the network is down$"):
        lake.run("bronze")
    assert not rows(lake)


def _read_slowly(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have each task that reads photos sleep first; returns a function that waits until one does."""
    reading = tmp_path / "reading"

    def check_slowly(batches: Any, block_lists: Any) -> Iterator[Any]:
        reading.touch()
        time.sleep(seconds)
        yield from batches

    def wait_for_reading() -> None:
        while not reading.exists():
            time.sleep(0.1)

    monkeypatch.setattr("ingestion.bronze.check_files", check_slowly)
    return wait_for_reading


def test_if_dbt_fails_the_photos_are_not_read_to_the_end(
    spark: SparkSession, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_reading = _read_slowly(60, tmp_path, monkeypatch)

    def fail(*_: Any) -> None:
        wait_for_reading()
        raise RunError("dbt failed")

    monkeypatch.setattr(pipeline, "build_models", fail)
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=1, labels=LABELS)
    started = time.monotonic()
    with pytest.raises(RunError, match="dbt failed"):
        lake.run("bronze")
    assert time.monotonic() - started < 45, "it waited until all photos were read"
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()


def test_ctrl_c_while_photos_are_read_cancels_spark(
    spark: SparkSession, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_reading = _read_slowly(20, tmp_path, monkeypatch)

    def interrupt() -> None:
        wait_for_reading()
        os.kill(os.getpid(), signal.SIGINT)

    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=1, labels=LABELS)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        lake.run("bronze")
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()
