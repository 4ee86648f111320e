"""A run with nothing to do says so without starting Spark; anything that may need work starts it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap import pipeline
from bootstrap.standing import find_standing
from catalog.branch import branch_name
from catalog.errors import BusyError
from catalog.lake import Lake as Tables
from catalog.tables import IMAGES, TABLES
from tests.commands import fruitlake_here
from tests.lakes import Lake
from transforms.weights import Featurizer


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    return built.copy(tmp_path / "lake")


def test_the_same_photos_again_start_no_spark(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pipeline, "start")
    before = {path: path.stat().st_mtime_ns for path in lake.path.rglob("*")}
    arguments = ("--images", str(lake.photos), "--lake", str(lake.path), "--weights", "bundled")
    assert fruitlake_here("run", *arguments, cwd=tmp_path, FRUITLAKE_CACHE=str(lake.cache)) == 0
    said = capsys.readouterr().out
    photos = len(list(lake.photos.glob("*/*")))
    assert f"photos: {photos} found = 0 stored + {photos} already there" in said and "nothing new" in said
    assert {path: path.stat().st_mtime_ns for path in before if path.name != ".lock"} == {
        path: made for path, made in before.items() if path.name != ".lock"
    }


def test_each_layer_stands_by_itself(built: Lake) -> None:
    for layer in ("bronze", "silver", "gold"):
        standing = find_standing(built.settings(), layer)
        assert standing is not None, layer
        assert (standing.counts is not None) == (layer == "bronze")


def leave_a_branch(tables: Tables) -> None:
    table, current = tables.load("gold.label_summary"), tables.current("gold.label_summary")
    assert table is not None and current is not None
    table.manage_snapshots().create_branch(current.id, branch_name("20260101T000000-dead")).commit()


def commit_to(name: str) -> Callable[[Tables], None]:
    """Commit a snapshot, as another tool would."""

    def commit(tables: Tables) -> None:
        table = tables.load(name)
        assert table is not None
        table.append(TABLES[name].arrow_schema.empty_table())

    return commit


def lose_gold(tables: Tables) -> None:
    tables.catalog.drop_table(tables.identifier("gold.label_suspects"))


@pytest.mark.parametrize(
    "change",
    [
        leave_a_branch,
        commit_to(IMAGES.name),
        commit_to("silver.image_features"),
        commit_to("gold.fruit_vectors"),
        commit_to("gold.label_suspects"),
        lose_gold,
    ],
)
def test_a_lake_that_has_changed_gets_a_run(lake: Lake, change: Callable[[Tables], None]) -> None:
    change(lake.tables)
    assert find_standing(lake.settings(), "all") is None


@pytest.mark.parametrize(
    "options",
    [
        {"refit": True},
        {"variance": 0.8},
        {"exclude": "*"},  # a run without any photos reports an error
        {"images": str(Path(__file__).parent)},
    ],
    ids=str,
)
def test_other_settings_get_a_run(built: Lake, options: dict[str, object]) -> None:
    assert find_standing(built.settings(**options), "all") is None


def test_another_model_or_other_code_gets_a_run(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("transforms.inputs.version", lambda package: "the next")
        assert find_standing(built.settings(), "gold") is None
    monkeypatch.setattr("bootstrap.standing.prepare", lambda *_: Featurizer("another", "onnx", ""))
    assert find_standing(built.settings(), "silver") is None


def test_a_job_of_a_cluster_starts_its_session(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert find_standing(built.settings(), "all") is None


def test_a_vacuum_under_way_is_waited_for_as_by_any_run(built: Lake) -> None:
    with built.tables.exclusive(), pytest.raises(BusyError):
        find_standing(built.settings(), "all")
