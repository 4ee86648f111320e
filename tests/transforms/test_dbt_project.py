"""The dbt project says what it does: names, types and descriptions agree with the tables and the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.tables import TABLES
from tests.lakes import Lake
from transforms.dbt import PROJECT, invoke, target_folder

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


def test_docs_show_the_lineage_from_bronze_to_gold(built: Lake) -> None:
    with built.open() as run:
        invoke(run, ["docs", "generate"], quiet=True)
        target = target_folder(run)
    manifest = json.loads((target / "manifest.json").read_text())
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
    }
    catalog = json.loads((target / "catalog.json").read_text())
    tables = {f"{n['metadata']['schema']}.{n['metadata']['name']}": n for n in catalog["nodes"].values()}
    assert set(tables) == set(TABLES)
    assert set(tables["gold.pca_variance"]["columns"]) == {c.name for c in TABLES["gold.pca_variance"].columns}
    assert (target / "index.html").exists()


def test_nothing_is_written_beside_the_models(built: Lake) -> None:
    assert {p.name for p in Path(PROJECT).iterdir()}.isdisjoint({"target", "logs", "dbt_packages"})


def test_ansi_mode_survives_dbt(built: Lake) -> None:
    with built.open() as run:
        invoke(run, ["show", "--inline", "select 1 as one"], quiet=True)
        assert run.spark.conf.get("spark.sql.ansi.enabled") == "true"


def test_what_was_parsed_serves_every_lake(built: Lake, tmp_path: Path) -> None:
    parsed = built.cache / "dbt" / "partial_parse.msgpack"
    with built.open() as run:
        invoke(run, ["ls", "--quiet"])
    before = parsed.stat().st_mtime_ns
    another = Lake(built.photos, tmp_path / "lake", built.cache)
    with another.open() as run:
        invoke(run, ["ls", "--quiet"])
        assert not (target_folder(run) / parsed.name).exists(), "it was parsed again"
    assert parsed.stat().st_mtime_ns == before
