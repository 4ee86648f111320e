"""New batches: the stored PCA is checked on them. New models: they get their own rows in silver until gold switches."""

import io
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.pipeline import open_run
from bootstrap.summary import print_pca
from catalog.errors import RunError
from catalog.rollback import rollback_lake
from catalog.stored_pca import load_pca
from expectations.check_result import from_json, warnings_of
from ingestion.samples import write_sample_photos
from tests.lakes import Lake
from tests.photos import photo
from transforms.dbt import build_models, invoke
from transforms.publish import publish
from transforms.run import Published, Run

QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Grown:
    """A lake after two runs: before the second, twelve photos came that are unlike fruit, and one moved."""

    lake: Lake
    first: Run
    second: Run


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, cache: Path, spark: SparkSession) -> Grown:
    folder = tmp_path_factory.mktemp("grown")
    lake = lemons_and_bananas(folder, cache)
    first = lake.run()
    (lake.photos / "Noise").mkdir()
    for seed in range(12):
        (lake.photos / "Noise" / f"{seed}.jpg").write_bytes(photo(seed, size=(64, 64)))
    moved = min((lake.photos / "Lemon").iterdir())
    moved.rename(lake.photos / "Banana" / f"lemon {moved.name}")
    return Grown(lake, first, lake.run())


def lemons_and_bananas(folder: Path, cache: Path) -> Lake:
    lake = Lake(folder / "photos", folder / "lake", cache)
    write_sample_photos(lake.photos, per_label=12, labels=("Lemon", "Banana"))
    return lake


def drift_of(run: Run) -> float | None:
    """The share of the new photos' variance that the PCA explains, as stored by the run."""
    vectors = run.current("gold.fruit_vectors")
    assert vectors is not None
    stored = [c.observed for c in from_json(vectors.properties["audit"]) if c.column == "explained"]
    return float(*stored) if stored else None


def test_new_photos_are_added_and_the_stored_pca_stands(grown: Grown) -> None:
    lake, second = grown.lake, grown.second
    assert drift_of(grown.first) is None, "the PCA was fitted on all photos"
    counts = second.ingested()
    assert counts is not None
    assert (counts.found, counts.stored, counts.relabelled, counts.known) == (36, 12, 1, 23)
    new = {name for name, outcome in second.outcomes.items() if outcome.new}
    assert {"bronze.images", "silver.image_features", "gold.fruit_vectors"} <= new
    assert "gold.pca" not in new
    assert lake.current("silver.image_features").rows == 36
    explained = drift_of(second)
    assert explained is not None
    pca = load_pca(lake.tables)
    rows = lake.rows("silver.image_features", "batch", "features")
    x = np.array([row["features"] for row in rows if row["batch"] == second.id]) - pca.mean
    kept = x @ pca.components.T
    assert explained == pytest.approx((kept**2).sum() / (x**2).sum(), rel=1e-6)
    assert explained < 0.81
    said = io.StringIO()
    print_pca(second, Console(file=said, width=300))
    assert "of the photos added since: fit it to them, too, with `fruitlake run gold --refit`" in said.getvalue()
    vectors = lake.current("gold.fruit_vectors")
    assert vectors.rows == 36
    assert "explained" in [check.column for check in warnings_of(vectors.properties)]


def test_a_moved_photo_is_relabelled_in_every_layer(grown: Grown) -> None:
    labels = {"Banana": 13, "Lemon": 11, "Noise": 12}
    for table in ("bronze.images", "silver.image_features", "gold.fruit_vectors"):
        assert Counter(row["label"] for row in grown.lake.rows(table, "label")) == labels, table
        assert len({row["image_id"] for row in grown.lake.rows(table, "image_id")}) == 36
    assert {row["label"]: row["photos"] for row in grown.lake.rows("gold.label_summary")} == labels


def test_a_refit_is_of_all_photos_and_a_rollback_brings_the_old_labels_back(grown: Grown) -> None:
    refitted = grown.lake.run("gold", refit=True)
    assert drift_of(refitted) is None, "the new PCA was fitted on all photos"
    assert refitted.outcomes["gold.pca"].new
    assert refitted.outcomes["gold.fruit_vectors"].new
    rollback_lake(grown.lake.tables, grown.first.id)
    labels = Counter(row["label"] for row in grown.lake.rows("gold.fruit_vectors", "label"))
    assert labels == {"Banana": 12, "Lemon": 12}


@pytest.mark.exhaustive
def test_a_renamed_label_is_missed_by_no_mart_however_many_batches_follow(cache: Path, tmp_path: Path) -> None:
    lake = lemons_and_bananas(tmp_path, cache)
    lake.run()
    (lake.photos / "Lemon").rename(lake.photos / "Citron")
    live = "quarantine", "images", "image_features", "fruit_vectors"  # what a stream's batch builds
    for seed in (1, 2):
        with lake.open() as run:
            build_models(run, *live)
        (lake.photos / "Banana" / f"{seed}.jpg").write_bytes(photo(seed, size=(64, 64)))
    lake.run()
    assert {row["label"] for row in lake.rows("gold.label_summary", "label")} == {"Citron", "Banana"}


def test_another_model_has_its_own_silver_until_gold_switches(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake")
    [stored] = lake.tables.history("gold.pca")
    photos = len(lake.rows("bronze.images", "image_id"))
    before = {p: p.stat().st_mtime_ns for p in (lake.path / "silver").rglob("*.parquet")}
    with lake.open() as run:
        ours = run.featurizer
    other = replace(ours, model_id="mobilenetv2-onnx-another")
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:silver"], quiet=True)
    models = Counter(row["model_id"] for row in lake.rows("silver.image_features", "model_id"))
    assert models == {ours.model_id: photos, other.model_id: photos}
    assert {p: p.stat().st_mtime_ns for p in before} == before, "the old model's features are unchanged"
    [old] = lake.rows("gold.pca", "model_id", "pca_id")
    assert old["model_id"] == ours.model_id
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:gold"], quiet=True)
    [new] = lake.rows("gold.pca", "model_id")
    assert new["model_id"] == other.model_id
    assert len(lake.rows("gold.fruit_vectors", "image_id")) == photos
    rollback_lake(lake.tables, stored.run)
    assert load_pca(lake.tables).pca_id == old["pca_id"], "gold can be rolled back"


def test_a_run_that_is_killed_in_silver_loses_one_commit_at_most(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = built.copy(tmp_path / "lake")
    photos = len(lake.rows("bronze.images", "image_id"))
    with lake.open() as run:
        other = replace(run.featurizer, model_id="mobilenetv2-onnx-another")

    def featurized() -> Counter[str]:
        rows = lake.rows("silver.image_features", "image_id", "model_id")
        return Counter(row["image_id"] for row in rows if row["model_id"] == other.model_id)

    commits: list[str] = []

    def killed_in_the_third(*given: Any) -> Published:
        if len(commits) == 2:
            raise RunError("killed")
        commits.append(given[1])
        return publish(*given)

    settings = lake.settings(commit_every=12)
    with open_run(settings, QUIET, other) as run, monkeypatch.context() as patched:
        patched.setattr("transforms.session_job.publish", killed_in_the_third)
        with pytest.raises(RunError, match="killed"):
            invoke(run, ["build", "--select", "tag:silver"], quiet=True)
    assert (commits, featurized().total()) == (["silver.image_features"] * 2, 24)
    with open_run(settings, QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:silver"], quiet=True)
    assert run.outcomes["silver.image_features"].added == photos - 24
    assert featurized() == dict.fromkeys(featurized(), 1) and len(featurized()) == photos
