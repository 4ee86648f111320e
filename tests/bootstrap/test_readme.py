"""README says only what is true: its commands run, its code runs, its files exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bootstrap import session
from tests.bootstrap.test_cli import fruitlake
from tests.lakes import Lake

ROOT = Path(session.__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def place(built: Lake, tmp_path: Path) -> Path:
    """A folder with photos/ and lake/, as the README's reader has them."""
    (tmp_path / "photos").symlink_to(built.photos)
    (tmp_path / "lake").symlink_to(built.path)
    return tmp_path


def test_the_commands_run(place: Path, built: Lake) -> None:
    shown = [command for command in commands("fruitlake") if command[1] in ("run", "status", "dbt")]
    assert len(shown) >= 3
    for command in shown:
        done = fruitlake(*command[1:], cwd=place, FRUITLAKE_CACHE=str(built.cache))
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"


def test_the_python_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (code,) = blocks("python")
    scope: dict[str, object] = {}
    exec(code, scope)  # noqa: S102  # our own README
    assert scope["gold"].rows == scope["vectors"].num_rows > 0  # type: ignore[attr-defined]


def test_make_knows_the_targets() -> None:
    targets = [command[1] for command in commands("make")]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, target


def test_the_files_it_names_exist() -> None:
    named = set(re.findall(r"`((?:transforms|catalog|bootstrap|docs|expectations)/[\w./]+)`", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
