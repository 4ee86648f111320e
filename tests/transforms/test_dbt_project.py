"""The dbt project's documentation is correct: names, types and descriptions match the tables and models."""

import json
import os
import socketserver
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt import tracking

from catalog.tables import TABLES
from tests.commands import fruitlake_here
from tests.lakes import Lake
from transforms.dbt import invoke, target_folder
from transforms.inputs import PROJECT

MODELS = PROJECT / "models"


def documented() -> dict[str, dict[str, Any]]:
    """layer.name -> the model's entry in its layer's _models.yml."""
    entries = {}
    for layer in ("bronze", "silver", "gold"):
        for entry in yaml.safe_load((MODELS / layer / "_models.yml").read_text())["models"]:
            entries[f"{layer}.{entry['name']}"] = entry
    return entries


def test_every_name_in_a_yml_is_a_model_and_every_model_is_in_a_yml() -> None:
    written = {f"{p.parent.name}.{p.stem}" for p in MODELS.glob("*/*") if p.suffix in (".sql", ".py")}
    assert set(documented()) == written == set(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_yml_describes_the_tables_columns(name: str) -> None:
    columns = [(c["name"], c["data_type"], c["description"]) for c in documented()[name]["columns"]]
    assert columns == [(c.name, c.type, c.comment) for c in TABLES[name].columns]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_description_ends_with_the_grain(name: str) -> None:
    grain = TABLES[name].grain
    assert documented()[name]["description"].endswith(f"{grain[0].upper()}{grain[1:]}.")


@pytest.fixture(scope="module")
def docs(built: Lake) -> Path:
    """Dbt's target folder, with the documentation."""
    with built.open() as run:
        invoke(run, ["docs", "generate"], quiet=True)
        return target_folder(run)


def test_docs_show_the_lineage_from_bronze_to_gold(docs: Path) -> None:
    manifest = json.loads((docs / "manifest.json").read_text())
    parents = {
        key.removeprefix("model.fruitlake."): {p.removeprefix("model.fruitlake.") for p in above}
        for key, above in manifest["parent_map"].items()
        if key.startswith("model.")
    }
    assert parents == {
        "quarantine": set(),
        "images": {"quarantine"},
        "image_features": {"images"},
        "pca": {"image_features"},
        "fruit_vectors": {"image_features", "pca"},
        "pca_variance": {"pca"},
        "label_summary": {"fruit_vectors"},
        "label_similarity": {"label_summary"},
        "label_suspects": {"fruit_vectors", "label_summary"},
    }
    catalog = json.loads((docs / "catalog.json").read_text())
    tables = {f"{n['metadata']['schema']}.{n['metadata']['name']}": n for n in catalog["nodes"].values()}
    assert set(tables) == {f"fruits_{name}" for name in TABLES}
    assert set(tables["fruits_gold.pca_variance"]["columns"]) == {c.name for c in TABLES["gold.pca_variance"].columns}
    assert (docs / "index.html").exists()


def test_nothing_is_written_beside_the_models(docs: Path) -> None:
    assert {p.name for p in Path(PROJECT).iterdir()}.isdisjoint({"target", "logs", "dbt_packages"})


def test_a_command_leaves_ansi_mode_and_the_environment_as_they_were_and_is_not_tracked(built: Lake) -> None:
    with built.open() as run:
        before = dict(os.environ)
        invoke(run, ["show", "--inline", "select 1 as one"], quiet=True)
        assert run.spark.conf.get("spark.sql.ansi.enabled") == "true"
        assert dict(os.environ) == before
    assert tracking.active_user is not None and tracking.active_user.do_not_track


def test_what_was_parsed_serves_every_lake(docs: Path, built: Lake, tmp_path: Path) -> None:
    parsed = built.cache / "dbt" / "partial_parse.msgpack"
    before = parsed.stat().st_mtime_ns
    another = Lake(built.photos, tmp_path / "lake", built.cache)
    with another.open() as run:
        invoke(run, ["ls", "--quiet"])
        assert not (target_folder(run) / parsed.name).exists(), "the project was parsed again"
    assert parsed.stat().st_mtime_ns == before


Dbt = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dbt(built: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Dbt:
    """`fruitlake dbt -- …` on the built lake; returns exit code, stdout and stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        given = ("dbt", "--lake", str(built.path), "--weights", "bundled", "--", *arguments)
        code = fruitlake_here(*given, cwd=tmp_path, FRUITLAKE_CACHE=str(built.cache))
        return code, *capfd.readouterr()

    return command


def test_a_full_refresh_rebuilds_everything_but_bronze(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake")
    before = lake.tables.current_snapshots()
    with lake.open() as run:
        invoke(run, ["run", "--full-refresh"], quiet=True)
    after = lake.tables.current_snapshots()
    assert {name for name in after if after[name].id == before[name].id} == {"bronze.images", "bronze.quarantine"}
    assert {name: s.rows for name, s in after.items()} == {name: s.rows for name, s in before.items()}
    for refreshed in ("silver.image_features", "gold.pca", "gold.fruit_vectors"):
        assert after[refreshed].rows_added == before[refreshed].rows
    features = {
        name: {r["image_id"]: r["features"] for r in of.rows("silver.image_features")}
        for name, of in (("new", lake), ("old", built))
    }
    assert features["new"] == features["old"]
    with lake.open() as run:
        invoke(run, ["run"], quiet=True)
    assert lake.tables.current_snapshots() == after, "an ordinary run must continue from there"


def test_quiet_json_is_nothing_but_json(dbt: Dbt) -> None:
    code, said, errors = dbt("--quiet", "ls", "--output", "json", "--resource-type", "model")
    assert (code, errors) == (0, "")
    assert {json.loads(line)["name"] for line in said.splitlines()} == {name.partition(".")[2] for name in TABLES}


def test_a_python_model_shows_its_table(built: Lake, dbt: Dbt) -> None:
    code, said, _ = dbt("show", "--select", "pca")
    [pca] = built.rows("gold.pca", "pca_id")
    assert code == 0 and pca["pca_id"] in said


def test_clean_takes_nothing(docs: Path, dbt: Dbt) -> None:
    before = {file: file.stat().st_mtime_ns for place in (PROJECT, docs) for file in place.rglob("*.sql")}
    assert before and dbt("clean")[0] == 0
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_ctrl_c_ends_serving_the_docs_without_a_word(docs: Path, dbt: Dbt, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(server: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socketserver.TCPServer, "serve_forever", stop)
    code, said, errors = dbt("docs", "serve", "--no-browser", "--port", "0")
    assert (code, errors) == (0, "") and "Traceback" not in said and "Press Ctrl+C to exit" in said


@pytest.mark.parametrize("layer", ["silver", "gold"])
def test_a_layer_without_what_it_is_made_of_says_which_comes_first(
    layer: str, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ("run", layer, "--lake", str(tmp_path / "lake"), "--weights", "bundled")
    assert fruitlake_here(*given, cwd=tmp_path, FRUITLAKE_CACHE=str(cache)) == 1
    said = capfd.readouterr().err
    assert "which is not there yet: run `fruitlake run bronze` first" in said and len(said.splitlines()) == 1


def test_a_lake_whose_photos_are_all_bad_says_so(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "Kiwi").mkdir(parents=True)
    (tmp_path / "photos" / "Kiwi" / "1.jpg").write_bytes(b"bad")
    given = ("--lake", "lake", "--weights", "bundled", "--max-quarantine-share", "1")
    for layer in (("all", "--images", "photos"), ("gold",)):
        assert fruitlake_here("run", *layer, *given, cwd=tmp_path, FRUITLAKE_CACHE=str(cache)) == 1
        said = capfd.readouterr().err
        assert "bronze has no photo: all 1 files are in bronze.quarantine, each with its reason" in said
        assert "first" not in said and len(said.splitlines()) == 1
