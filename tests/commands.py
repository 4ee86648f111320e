"""Run `fruitlake` in a test: in this process, which starts at once, or in a separate process."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from bootstrap.cli import main, options


class Done(NamedTuple):
    """A command's exit code and output."""

    code: int
    out: str
    err: str


Here = Callable[..., Done]  # `fruitlake` in the test's folder


def fruitlake(*arguments: str, cwd: Path, **variables: str) -> Done:
    """Run the command in this process, with the existing Spark session, if any."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = fruitlake_here(*arguments, cwd=cwd, **variables)
    return Done(code, out.getvalue(), err.getvalue())


def fruitlake_here(*arguments: str, cwd: Path, **variables: str) -> int:
    """Run the command in this process and let pytest's fixtures capture its output; dbt bypasses `sys.stdout`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["fruitlake", *arguments])
        given = {"COLUMNS": "200", "XDG_CACHE_HOME": str(cwd / "cache")} | variables
        for name, value in given.items():
            patch.setenv(name, value)
        for console in (options.console, options.stderr):  # they read COLUMNS when created
            patch.setattr(console, "width", int(given["COLUMNS"]))
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def fruitlake_process(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a separate process, as a user does: imports take seconds, and Spark needs a JVM."""
    return python("-c", "from bootstrap.cli import main; main()", *arguments, cwd=cwd, **variables)


def python(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a separate process, with the project's modules."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(cwd, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def environment(cwd: Path, **variables: str) -> dict[str, str]:
    """Environment for a command: without the developer's settings, with its own cache and a wide terminal."""
    seen = {k: v for k, v in os.environ.items() if not k.startswith("FRUITLAKE_")}
    return seen | {"COLUMNS": "200", "XDG_CACHE_HOME": str(cwd / "cache")} | variables


def check_one_line(said: str, *words: str) -> None:
    """Assert that the text is a single, expected error line that contains all the words."""
    assert len(said.strip().splitlines()) == 1, said
    assert said.startswith("error: ") and "unexpected error" not in said
    for word in words:
        assert word in said
