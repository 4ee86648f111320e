"""`fruitlake vacuum` and `fruitlake erase` as a person meets them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.lock import working
from tests.bootstrap.test_cli import environment, fruitlake
from tests.lakes import Lake


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vacuum", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("erase", "--lake", "l", "--label", "Kiwi", "--reason", "why"), ["there is no lake", "fruitlake run"]),
        (("vacuum", "--older-than", "soon"), ["--older-than", "soon", "30d"]),
        (("erase", "--reason", "why"), ["--image-id", "--source-path", "--label"]),
        (("erase", "--label", "Kiwi"), ["--reason"]),
        (("erase", "--label", "Kiwi", "--reason", "why", "--resume"), ["--resume", "leave it out"]),
        (("vacuum", "--database-prefix", "No!"), ["--database-prefix", "No!"]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], tmp_path: Path) -> None:
    done = fruitlake(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    for word in says:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_teaches(tmp_path: Path) -> None:
    said = fruitlake("erase", "--help", cwd=tmp_path).stdout
    for word in ("--dry-run", "--refit", "--resume", "Delete the file at its source first", "_erasures", "Example"):
        assert word in said
    for word in ("--everything", "--source-stays", "--database-prefix", "versioning"):
        assert word in said
    said = fruitlake("vacuum", "--help", cwd=tmp_path).stdout
    for word in ("--older-than", "--dry-run", "FRUITLAKE_PHOTOS_DAYS", "Example"):
        assert word in said


def test_both_say_what_they_would_do_and_refuse_to_disturb_a_run(built: Lake, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(built.path, lake)
    orphan = lake / "gold" / "fruit_vectors" / "snapshot=20260101T000000-dead"
    orphan.mkdir()
    shown = fruitlake("vacuum", "--lake", str(lake), "--dry-run", cwd=tmp_path)
    assert "snapshot=20260101T000000-dead" in shown.stdout and "1 folders or files" in shown.stdout, shown
    assert orphan.exists()
    asked = ("erase", "--lake", str(lake), "--label", "Banana", "--reason", "a test")
    shown = fruitlake(*asked, "--dry-run", cwd=tmp_path)
    assert "the source still has" in shown.stdout and "gold.fruit_vectors" in shown.stdout
    assert fruitlake("erase", "--resume", "--lake", str(lake), cwd=tmp_path).stdout == "no erasure was interrupted\n"
    refused = fruitlake(*asked, cwd=tmp_path)
    assert refused.returncode == 1
    assert "delete it there first, or give --source-stays" in refused.stderr
    with working(str(lake)):
        for command in (("vacuum", "--lake", str(lake)), asked):
            refused = fruitlake(*command, cwd=tmp_path)
            assert refused.returncode == 1
            assert "in use by a run" in refused.stderr
    assert not list((lake / "_erasures").glob("*"))
    assert "were removed" in fruitlake("vacuum", "--lake", str(lake), cwd=tmp_path).stdout
    assert not orphan.exists()


def test_an_erasure_that_is_killed_is_finished_by_the_next_command(built: Lake, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(built.path, lake)
    asked = ["erase", "--lake", str(lake), "--label", "Banana", "--reason", "a test", "--source-stays"]
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", *asked]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL) as erasing:
        until = time.monotonic() + 60
        while not list(lake.glob("_erasures/*.pending.json")) and time.monotonic() < until:
            time.sleep(0.002)
        erasing.kill()
    [begun] = lake.glob("_erasures/*.pending.json")
    assert "Banana" in begun.read_text()
    again = fruitlake("erase", "--resume", "--lake", str(lake), cwd=tmp_path)
    assert "an interrupted erasure is finished" in again.stdout, again
    [record] = lake.glob("_erasures/*")
    assert record.suffixes == [".json"] and "Banana" not in record.read_text()
    assert not [path for path in lake.rglob("*") if "Banana" in path.name]
