"""README says only what is true: its commands run, its code runs, its files exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bootstrap import session
from catalog.query.duck import DuckDB
from tests.athena import athena_server
from tests.bootstrap.test_cli import fruitlake_here
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


def test_the_commands_run(place: Path, built: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    shown = [command for command in commands("fruitlake") if command[1] in ("run", "status", "dbt", "vacuum", "erase")]
    shown = [command for command in shown if "s3://" not in " ".join(command)]  # test_s3.py runs those
    assert len(shown) >= 5
    for command in shown:
        code = fruitlake_here(*command[1:], cwd=place, FRUITLAKE_CACHE=str(built.cache))
        assert code == 0, f"{shlex.join(command)}: {capfd.readouterr().err}"


def test_the_queries_run(place: Path, built: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    photo = DuckDB(built.catalog).run("select min(image_id) as image_id from gold.fruit_vectors").rows["image_id"][0]
    shown = [command[1:] for command in commands("fruitlake") if command[1] in ("query", "catalog")]
    assert {"nearest", "--sql", "s3://my-bucket/fruits", "sync-queries"} <= set().union(*shown)
    with athena_server() as athena:
        asked = [command for command in shown if "query" in command and "s3://" in " ".join(command)]
        for _ in asked:
            athena.answers([("batch", "varchar")], ["1"])
        for command in shown:
            if command in asked:
                athena.holds(command[command.index("--lake") + 1])
            words = [str(photo) if word == "ID" else word for word in command]
            code = fruitlake_here(*words, cwd=place, **athena.environment)
            assert code == 0, f"{shlex.join(words)}: {capfd.readouterr().err}"
        assert len(athena.queries) == len(asked) >= 2
        assert athena.backend.named_queries


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
