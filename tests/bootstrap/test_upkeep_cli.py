"""`fruitlake vacuum` and `fruitlake erase` on the command line."""

import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from catalog.branch import AuditBranch
from catalog.erasures import Erasure
from catalog.scan import data_files
from catalog.tables import QUARANTINE
from tests.commands import Here, environment, fruitlake
from tests.lakes import Lake


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    return built.copy(tmp_path / "lake")


@pytest.fixture
def command(lake: Lake, tmp_path: Path) -> Here:
    """`fruitlake` on the lake, in this process."""
    given = {"FRUITLAKE_LAKE": str(lake.path), "FRUITLAKE_CACHE": str(lake.cache), "COLUMNS": "250"}
    return partial(fruitlake, cwd=tmp_path, **given)


def state(lake: Lake) -> dict[Path, tuple[int, int]]:
    """Every file and folder with its size and modification time, except the lock file."""
    paths = [path for path in lake.path.rglob("*") if path.name != ".lock"]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


ASKED = ("erase", "--label", "Banana", "--reason", "a test")


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise AssertionError("Spark was started")

    for module in ("bootstrap.session", "bootstrap.pipeline"):
        monkeypatch.setattr(f"{module}.start", start)


@pytest.mark.usefixtures("no_spark")
def test_looking_and_refusing_start_no_spark_and_change_nothing(lake: Lake, command: Here) -> None:
    with lake.tables.exclusive():
        pass  # creates the lock file
    before = state(lake)
    code, said, _ = command(*ASKED, "--dry-run")
    assert code == 0
    assert "the source still has" in said and "gold.fruit_vectors" in said
    assert "none can be rolled back behind this" in said
    code, _, refused = command(*ASKED)
    assert code == 1 and "delete it there first, or give --source-stays" in refused
    code, _, refused = command("erase", "--label", "Durian", "--reason", "a test")
    assert code == 1 and "has the label 'Durian', and nothing was erased" in refused
    labels = sorted({row["label"] for row in lake.rows("gold.fruit_vectors", "label")})
    every = [word for label in labels for word in ("--label", label)]
    code, _, refused = command("erase", *every, "--reason", "a test", "--source-stays")
    assert code == 1 and "give --everything if that is meant" in refused
    assert command("erase", "--resume")[:2] == (0, "no erasure was interrupted\n")
    assert state(lake) == before


@pytest.mark.usefixtures("no_spark")
def test_erase_names_the_copies_that_would_come_back_and_those_that_stay(
    lake: Lake, command: Here, tmp_path: Path
) -> None:
    photos = tmp_path / "source"
    shutil.copytree(lake.photos / "Banana", photos / "Banana")
    [one, *_] = sorted((photos / "Banana").iterdir())
    (photos / "Plum").mkdir()
    one.rename(photos / "Plum" / "a banana.jpg")
    kiwi = shutil.copy(next((lake.photos / "Kiwi Half").iterdir()), photos / "Banana" / "kiwi.jpg")
    code, said, _ = command("erase", "--label", "Banana", "--reason", "a test", "--images", str(photos), "--dry-run")
    assert code == 0
    assert f"in the source: {photos / 'Plum' / 'a banana.jpg'}\n" in said
    assert f"not erased: {kiwi}, a photo that the lake has under 'Kiwi Half'\n" in said
    code, said, _ = command("erase", "--label", "Banana", "--reason", "a test", "--dry-run")
    assert "not looked for without --images" in said


@pytest.mark.usefixtures("no_spark")
def test_neither_disturbs_a_run(lake: Lake, command: Here) -> None:
    with lake.tables.in_use():
        for arguments in (("vacuum",), ("vacuum", "--dry-run"), ASKED):
            code, _, refused = command(*arguments)
            assert code == 1 and "in use by a run" in refused
    assert not list(lake.path.glob("_erasures/*"))


def test_vacuum_says_what_would_go_and_then_removes_it(lake: Lake, command: Here) -> None:
    images = lake.tables.load("bronze.images")
    assert images is not None
    orphan = Path(next(iter(data_files(images)))).with_name("00000-left-by-a-killed-run.parquet")
    with lake.open() as killed:
        branch = AuditBranch(killed.spark, killed.lake, QUARANTINE, killed.id, killed.current(QUARANTINE.name))
        branch.append(branch.rows())
    orphan.write_bytes(b"photos")
    before = state(lake)
    code, shown, _ = command("vacuum", "--dry-run")
    assert code == 0
    assert str(orphan) in shown and "of bronze.quarantine, left by a run that was killed" in shown
    assert "1 snapshots and 1 files (6 bytes) would be removed" in shown
    assert state(lake) == before
    current = lake.tables.current_snapshots()
    code, shown, _ = command("vacuum", "--older-than", "0d")
    assert code == 0 and "1 snapshots and 1 files (6 bytes) were removed" in shown
    assert not orphan.exists()
    assert lake.tables.current_snapshots() == current
    code, shown, _ = command("vacuum", "--older-than", "0d")
    assert (code, shown) == (0, "0 snapshots and 0 files (0 bytes) were removed\n")


def test_vacuum_erases_what_has_been_kept_long_enough(
    lake: Lake, command: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = frozenset(row["batch"] for row in lake.rows("bronze.images", "batch"))
    begun: list[Erasure] = []
    monkeypatch.setattr("bootstrap.erasing.finish_erasures", lambda *_: ["a record"])
    monkeypatch.setattr("bootstrap.erasing.begin", lambda _, erasure: begun.append(erasure))
    monkeypatch.setattr("catalog.retention._older", lambda lake, table, days: batches if days else frozenset())
    code, said, _ = command("vacuum", "--dry-run", FRUITLAKE_PHOTOS_DAYS="30")
    assert code == 0 and begun == []
    assert "bronze.images" in said and "34" in said
    code, said, _ = command("vacuum", FRUITLAKE_PHOTOS_DAYS="30")
    assert code == 0 and "erased; record: a record" in said
    [erasure] = begun
    assert len(erasure.image_ids) == 34 and erasure.everything
    assert erasure.reason == "photos kept longer than 30 days"


@pytest.mark.exhaustive
def test_an_erasure_that_is_killed_is_finished_by_the_next_command(lake: Lake, command: Here, tmp_path: Path) -> None:
    asked = [*ASKED, "--lake", str(lake.path), "--source-stays"]
    line = [sys.executable, "-c", "from bootstrap.cli import main; main()", *asked]
    variables = environment(tmp_path, FRUITLAKE_CACHE=str(lake.cache), PYTHONPATH=os.pathsep.join(sys.path))
    published = lake.tables.current("bronze.images")
    with subprocess.Popen(line, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL) as erasing:
        until = time.monotonic() + 300
        while lake.tables.current("bronze.images") == published and time.monotonic() < until:
            time.sleep(0.01)
        erasing.kill()
    [begun] = lake.path.glob("_erasures/*.pending.json")
    assert "Banana" in begun.read_text()
    code, said, _ = command("erase", "--resume")
    assert code == 0 and "an interrupted erasure is finished" in said
    [record] = lake.path.glob("_erasures/*")
    assert record.suffixes == [".json"] and "Banana" not in record.read_text()
    assert not [path for path in lake.path.rglob("*") if "Banana" in path.name]
    assert "Banana" not in {row["label"] for row in lake.rows("gold.label_summary", "label")}
    code, said, _ = command("erase", "--label", "Kiwi Half", "--reason", "a test", "--source-stays")
    assert code == 0
    assert "no table can be rolled back behind this" in said and "erased; record: " in said
    assert "Kiwi Half" not in {row["label"] for row in lake.rows("gold.label_summary", "label")}
