"""Photos of a killed run do not stay in Spark's work folder."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bootstrap import scratch

MAKE = "from bootstrap.scratch import work_folder; print(work_folder(), flush=True); input()"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def other_process() -> tuple[subprocess.Popen[str], Path]:
    """A process that has a work folder with a photo in it."""
    process = subprocess.Popen([sys.executable, "-c", MAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (folder / "rdd_1_0").write_bytes(b"a photo")
    return process, folder


def test_it_goes_when_its_process_ends_or_else_is_swept(temporary: Path) -> None:
    ended, first = other_process()
    ended.communicate("\n")
    assert not first.exists()
    killed, second = other_process()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    works, third = other_process()
    assert not second.exists(), "deleted by the next process that started"
    scratch.sweep()
    assert third.exists(), "its process is still running"
    works.communicate("\n")
    assert list(temporary.iterdir()) == []


def test_what_is_not_a_folder_of_ours_stays(temporary: Path) -> None:
    (temporary / "fruitlake-spark-file").write_bytes(b"")
    (temporary / "elsewhere").mkdir()
    (temporary / "fruitlake-spark-link").symlink_to(temporary / "elsewhere")
    scratch.sweep()
    assert sorted(os.listdir(temporary)) == ["elsewhere", "fruitlake-spark-file", "fruitlake-spark-link"]
