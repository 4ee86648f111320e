"""`fruitlake catalog`: what a table was before, and the way back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bootstrap.test_cli import fruitlake_here
from tests.lakes import Lake

TABLE = "gold.label_summary"


@pytest.fixture
def twice(built: Lake, tmp_path: Path) -> Lake:
    """A lake whose gold.label_summary has two snapshots."""
    lake = Lake(built.photos, tmp_path / "lake", built.cache)
    shutil.copytree(built.path, lake.path)
    first = lake.catalog.current(TABLE)
    assert first is not None
    newer = f"{first.location.rsplit('=', 1)[0]}=20990101T000000-beef"
    shutil.copytree(lake.path / first.location, lake.path / newer)
    lake.catalog.publish(replace(first, id="20990101T000000-beef", location=newer, parent=first.id))
    return lake


def test_a_table_goes_back_to_an_older_snapshot_and_forth(
    twice: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer, older = (s.id for s in twice.catalog.history(TABLE))
    where = ("--lake", str(twice.path))
    assert fruitlake_here("catalog", "history", TABLE, *where, cwd=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [("current" in line) for line in lines if newer in line or older in line] == [True, False]
    for wanted, before in ((older, newer), (newer, older)):
        assert fruitlake_here("catalog", "rollback", TABLE, wanted, *where, cwd=tmp_path) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert f"{wanted} is current" in said and f"it was {before}" in said
        current = twice.catalog.current(TABLE)
        assert current is not None and current.id == wanted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("history", "gold.fruit"), ["gold.fruit", "gold.fruit_vectors"]),
        (("rollback", "gold.fruit_vectors", "yesterday"), ["yesterday", "gold.fruit_vectors"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], built: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fruitlake_here("catalog", *arguments, "--lake", str(built.path), cwd=tmp_path) == 1
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    for word in says:
        assert word in said
