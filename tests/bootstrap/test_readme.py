"""README is correct: its commands run, its code runs, its files exist."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from bootstrap import session
from catalog.query.duck import DuckDB
from tests.athena import athena_server
from tests.commands import fruitlake_here
from tests.lakes import Lake

ROOT = Path(session.__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(f"{program} ")]


def sessions() -> list[tuple[list[str], list[str]]]:
    """Commands shown with their output: the lines that begin with `$ `, each with the output lines below it."""
    found: list[tuple[list[str], list[str]]] = []
    for line in (line for block in blocks("console") if block.startswith("$ ") for line in block.splitlines()):
        if line.startswith("$ "):
            found.append((shlex.split(line.removeprefix("$ ")), []))
        else:
            found[-1][1].append(line)
    return found


def without_chance(line: str) -> str:
    """A line of output without the parts that differ between runs: ids, seconds, folders."""
    line = re.sub(r"\d{15,}|(?<=[ ~])/\S*|(?<=lake: )\S+|(?<=report: )\S+", "#", line)
    return " ".join(re.sub(r"[\d.]+ s\b|[\d.]+ │$", "# s", line).split())


def test_the_output_is_as_shown(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert [command[:2] for command, _ in sessions()] == [["make", "demo"], ["fruitlake", "query"]]
    for command, shown in sessions():
        words = ["demo"] if command == ["make", "demo"] else command[1:]
        assert fruitlake_here(*words, cwd=tmp_path, COLUMNS="110", FRUITLAKE_CACHE=str(cache)) == 0
        said = [without_chance(line) for line in capfd.readouterr().out.splitlines()]
        assert [line for line in shown if line.strip() != "…" and without_chance(line) not in said] == []


@pytest.fixture
def place(built: Lake, tmp_path: Path) -> Path:
    """A folder with photos/ and lake/, as the README assumes."""
    (tmp_path / "photos").symlink_to(built.photos)
    built.copy(tmp_path / "lake")  # some commands publish
    return tmp_path


def test_the_commands_run(place: Path, built: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    asked = ("run", "status", "identify", "dbt", "vacuum", "erase")
    shown = [command for command in commands("fruitlake") if command[1] in asked]
    shown = [command for command in shown if "s3://" not in " ".join(command)]  # test_s3_cli.py runs those
    assert len(shown) >= 5
    for command in shown:
        code = fruitlake_here(*command[1:], cwd=place, FRUITLAKE_CACHE=str(built.cache))
        assert code == 0, f"{shlex.join(command)}: {capfd.readouterr().err}"


def test_the_queries_run(place: Path, built: Lake, capfd: pytest.CaptureFixture[str]) -> None:
    photo = DuckDB(built.tables).run("select min(image_id) as image_id from gold.fruit_vectors").rows["image_id"][0]
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
    assert scope["vectors"].num_rows == 8  # type: ignore[attr-defined]


def test_make_knows_the_targets() -> None:
    with_output = [command for command, _ in sessions() if command[0] == "make"]
    targets = [command[1] for command in commands("make") + with_output]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, target


def test_the_files_it_names_exist() -> None:
    named = set(re.findall(r"`((?:transforms|catalog|bootstrap|docs|expectations)/[\w./]+)`", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
