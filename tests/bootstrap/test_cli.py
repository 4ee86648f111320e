"""The command line, as a user meets it: help, one-line errors, exit codes, an untouched lake."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from bootstrap.cli import main
from tests.lakes import Lake


def fruitlake(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own. Wide, so that no message is wrapped."""
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", *arguments]
    variables = environment(cwd, **variables)
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=300)


def fruitlake_here(*arguments: str, cwd: Path, **variables: str) -> int:
    """Run the command in this process, over the Spark session that is there: no half minute of imports and JVM."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["fruitlake", *arguments])
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def environment(cwd: Path, **variables: str) -> dict[str, str]:
    """What a command sees: no settings of the developer's, and a cache of its own."""
    seen = {k: v for k, v in os.environ.items() if not k.startswith("FRUITLAKE_")}
    return seen | {"COLUMNS": "200", "XDG_CACHE_HOME": str(cwd / "cache")} | variables


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        ((), ["demo", "run", "status", "report", "dbt"]),
        (
            ("run", "--help"),
            [
                "--images",
                "--lake",
                "--weights",
                "--variance",
                "--refit",
                "--engine",
                "--max-quarantine-share",
                "imagenet",
            ],
        ),
        (("dbt", "--help"), ["docs generate"]),
        (("--version",), [f"fruitlake {version('fruitlake')}\n"]),
    ],
)
def test_help_teaches(arguments: tuple[str, ...], shows: list[str], tmp_path: Path) -> None:
    done = fruitlake(*arguments, cwd=tmp_path)
    for word in shows:
        assert word in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--images", "nowhere", "--lake", "l"), ["there is no", "nowhere", "--images"]),
        (("run", "--images", "empty", "--lake", "l"), ["holds no photos", "empty", "--images"]),
        (("run", "--images", "file.txt", "--lake", "l"), ["is a file"]),
        (("run", "--lake", "l"), ["bronze needs photos", "--images"]),
        (("run", "--images", "some", "--lake", "file.txt/l"), ["cannot be written", "--lake"]),
        (("run", "--images", "some", "--lake", "gs://bucket/l"), ["gs://", "give a folder"]),
        (("run", "--images", "some", "--lake", "s3://"), ["names no bucket", "s3://bucket/prefix"]),
        (
            ("run", "--images", "some", "--lake", "l", "--variance", "1.5"),
            ["--variance", "1.5", "less than or equal to 1"],
        ),
        (
            ("run", "--images", "some", "--lake", "l", "--max-quarantine-share", "2"),
            ["--max-quarantine-share", "less than or equal to 1"],
        ),
        (("run", "--images", "some", "--lake", "l", "--engine", "torch"), ["--engine", "torch", "onnx", "tensorflow"]),
        (("run", "--images", "some", "--lake", "some/l"), ["lie in one another", "--lake"]),
        (("run", "--images", "some", "--lake", ""), ["empty path", "give a folder"]),
        (("run", "--nope"), ["--nope"]),
        (("nosuch",), ["nosuch"]),
        (("run", "platinum"), ["platinum", "bronze", "silver", "gold", "all"]),
        (("status", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("report", "--lake", "l"), ["there is no lake", "fruitlake run"]),
        (("dbt",), ["fruitlake dbt -- ls"]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("no folder")
    (tmp_path / "some" / "Kiwi").mkdir(parents=True)
    (tmp_path / "some" / "Kiwi" / "1.jpg").write_bytes(b"")
    done = fruitlake(*arguments, cwd=tmp_path)
    assert done.returncode not in (0, None)
    for word in says:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "not foreseen" not in done.stderr
    assert not (tmp_path / "l").exists()


def test_a_variable_is_as_good_as_an_option_and_is_named_when_wrong(tmp_path: Path) -> None:
    done = fruitlake("status", cwd=tmp_path, FRUITLAKE_VARIANCE="lots")
    assert done.returncode == 1
    assert "FRUITLAKE_VARIANCE" in done.stderr
    done = fruitlake("status", cwd=tmp_path, FRUITLAKE_LAKE=str(tmp_path / "elsewhere"))
    assert "elsewhere" in done.stderr


def test_wrong_weights_leave_the_lake_untouched(tmp_path: Path) -> None:
    (tmp_path / "some" / "Kiwi").mkdir(parents=True)
    (tmp_path / "some" / "Kiwi" / "1.jpg").write_bytes(b"")
    (tmp_path / "wrong.h5").write_bytes(b"no weights")
    done = fruitlake("run", "--images", "some", "--lake", "l", "--weights", "wrong.h5", cwd=tmp_path)
    assert done.returncode == 1
    assert "wrong.h5" in done.stderr
    assert "Traceback" not in done.stderr
    assert "not foreseen" not in done.stderr
    assert not (tmp_path / "l").exists()


def test_no_java_is_one_line_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "some" / "Kiwi").mkdir(parents=True)
    (tmp_path / "some" / "Kiwi" / "1.jpg").write_bytes(b"")
    arguments = ("run", "bronze", "--images", "some", "--lake", "l")
    done = fruitlake(*arguments, cwd=tmp_path, JAVA_HOME=str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "JDK 17 or 21" in done.stderr
    assert "install" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_and_status_show_what_was_published(built: Lake, tmp_path: Path) -> None:
    arguments = ("--images", str(built.photos), "--lake", str(built.path), "--weights", "bundled")
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    done = fruitlake("run", *arguments, cwd=here, FRUITLAKE_CACHE=str(built.cache), HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "gold.fruit_vectors" in done.stdout
    assert "nothing new" in done.stdout
    assert done.stderr == ""
    assert list(home.rglob("*")) == list(here.rglob("*")) == [], "only the lake, the cache and /tmp are written"
    shown = fruitlake("status", "--lake", str(built.path), cwd=here)
    assert "silver.image_features" in shown.stdout


def test_dbt_commands_run_over_the_lake(built: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cache = {"FRUITLAKE_CACHE": str(built.cache)}
    arguments = ("--lake", str(built.path), "--", "ls", "--resource-type", "model")
    assert fruitlake_here("dbt", *arguments, cwd=tmp_path, **cache) == 0
    assert "fruitlake.gold.fruit_vectors" in capfd.readouterr().out
    arguments = ("--lake", str(built.path), "--", "build", "--select", "images")
    assert fruitlake_here("dbt", *arguments, cwd=tmp_path, **cache) == 1
    assert "--images" in capfd.readouterr().err
