"""New batches: the stored PCA is checked on them. New models: they get their own rows in silver until gold switches."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
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
from expectations.check_result import from_json, warnings_of
from ingestion.samples import write_sample_photos
from tests.lakes import Lake
from tests.photos import photo
from transforms.dbt import build_models, invoke
from transforms.publish import publish
from transforms.run import Published, Run
from transforms.stored_pca import load_pca

QUIET = Console(quiet=True)


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    made = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(made.photos, per_label=12, labels=("Lemon", "Banana"))
    return made


def drift_of(run: Run) -> float | None:
    """The share of the new photos' variance that the PCA explains, as stored by the run."""
    vectors = run.current("gold.fruit_vectors")
    assert vectors is not None
    stored = [c.observed for c in from_json(vectors.properties["audit"]) if c.column == "explained"]
    return float(*stored) if stored else None


def test_new_photos_are_added_and_the_stored_pca_stands_until_refit(lake: Lake, spark: SparkSession) -> None:
    first = lake.run()
    assert drift_of(first) is None, "the PCA was fitted on all photos"
    (lake.photos / "Noise").mkdir()
    for seed in range(12):  # unlike fruit
        (lake.photos / "Noise" / f"{seed}.jpg").write_bytes(photo(seed, size=(64, 64)))
    second = lake.run()
    counts = second.ingested()
    assert counts is not None
    assert (counts.found, counts.stored, counts.known) == (36, 12, 24)
    new = {name for name, outcome in second.outcomes.items() if outcome.new}
    assert {"bronze.images", "silver.image_features", "gold.fruit_vectors"} <= new
    assert "gold.pca" not in new
    features = lake.tables.current("silver.image_features")
    assert features is not None
    assert (features.properties["rows_added"], features.rows) == ("12", 36)
    explained = drift_of(second)
    assert explained is not None
    model = load_pca(lake.tables).model
    with lake.open() as run:
        added = (
            run.spark.table("fruits_silver.image_features").where(f"batch = '{second.id}'").select("features").collect()
        )
    x = np.array([r.features for r in added]) - model.mean
    kept = x @ model.components.T
    assert explained == pytest.approx((kept**2).sum() / (x**2).sum(), rel=1e-6)
    assert explained < 0.81
    said = io.StringIO()
    print_pca(second, Console(file=said, width=300))
    assert "of the photos added since: fit it to them, too, with `fruitlake run gold --refit`" in said.getvalue()
    vectors = lake.tables.current("gold.fruit_vectors")
    assert vectors is not None and vectors.rows == 36
    assert "explained" in [check.column for check in warnings_of(vectors.properties)]
    third = lake.run("gold", refit=True)
    assert drift_of(third) is None, "the new PCA was fitted on all photos"
    assert third.outcomes["gold.pca"].new
    assert third.outcomes["gold.fruit_vectors"].new


def test_a_moved_photo_is_relabelled_in_every_layer(lake: Lake, spark: SparkSession) -> None:
    first = lake.run()
    moved = sorted((lake.photos / "Lemon").iterdir())[0]
    moved.rename(lake.photos / "Banana" / f"lemon {moved.name}")
    run = lake.run()
    counts = run.ingested()
    assert counts is not None and (counts.stored, counts.relabelled, counts.known) == (0, 1, 23)
    for table in ("bronze.images", "silver.image_features", "gold.fruit_vectors"):
        assert Counter(row["label"] for row in lake.rows(table, "label")) == {"Banana": 13, "Lemon": 11}, table
        assert len({row["image_id"] for row in lake.rows(table, "image_id")}) == 24
    assert {row["label"]: row["photos"] for row in lake.rows("gold.label_summary")} == {"Banana": 13, "Lemon": 11}
    assert not run.outcomes["gold.pca"].new
    rollback_lake(lake.tables, first.id)
    assert Counter(row["label"] for row in lake.rows("gold.fruit_vectors", "label")) == {"Banana": 12, "Lemon": 12}


@pytest.mark.exhaustive
def test_a_renamed_label_is_missed_by_no_mart_however_many_batches_follow(lake: Lake, spark: SparkSession) -> None:
    lake.run()
    (lake.photos / "Lemon").rename(lake.photos / "Citron")
    live = "quarantine", "images", "image_features", "fruit_vectors"  # what a stream's batch builds
    for seed in (1, 2):
        with lake.open() as run:
            build_models(run, *live)
        (lake.photos / "Banana" / f"{seed}.jpg").write_bytes(photo(seed, size=(64, 64)))
    lake.run()
    assert {row["label"] for row in lake.rows("gold.label_summary", "label")} == {"Citron", "Banana"}


def test_another_model_has_its_own_silver_until_gold_switches(lake: Lake, spark: SparkSession) -> None:
    first = lake.run()
    before = {p: p.stat().st_mtime_ns for p in (lake.path / "silver").rglob("*.parquet")}
    other = replace(first.featurizer, model_id="mobilenetv2-onnx-another")
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:silver"], quiet=True)
        models = run.spark.table("fruits_silver.image_features").groupBy("model_id").count().collect()
        old = run.spark.table("fruits_gold.pca").first()
    assert {r.model_id: r["count"] for r in models} == {first.featurizer.model_id: 24, other.model_id: 24}
    assert {p: p.stat().st_mtime_ns for p in before} == before, "the old model's features are unchanged"
    assert old is not None and old.model_id == first.featurizer.model_id
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:gold"], quiet=True)
        new = run.spark.table("fruits_gold.pca").first()
        assert run.spark.table("fruits_gold.fruit_vectors").count() == 24
    assert new is not None and new.model_id == other.model_id
    rollback_lake(lake.tables, first.id)
    assert load_pca(lake.tables).pca_id == old.pca_id, "gold can be rolled back"


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
