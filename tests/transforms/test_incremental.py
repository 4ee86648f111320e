"""A new batch: the stored PCA is measured on it. A new model: its own silver, and gold switches when it is asked to."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.pipeline import open_run
from bootstrap.summary import print_pca
from ingestion.samples import write_sample_photos
from tests.lakes import Lake
from tests.photos import photo
from transforms.dbt import invoke

QUIET = Console(quiet=True)


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    made = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(made.photos, per_label=12, size=64, labels=("Lemon", "Banana"), workers=1)
    return made


def test_new_photos_are_added_and_the_stored_pca_stands_until_refit(lake: Lake, spark: SparkSession) -> None:
    first = lake.run()
    assert first.explained is None, "there are no photos that the PCA has not seen"
    (lake.photos / "Noise").mkdir()
    for seed in range(12):  # nothing like fruit
        (lake.photos / "Noise" / f"{seed}.jpg").write_bytes(photo(seed, size=(64, 64)))
    second = lake.run()
    counts = second.ingested()
    assert counts is not None
    assert (counts.inputs, counts.stored, counts.duplicates) == (36, 12, 24)
    new = {name for name, outcome in second.outcomes.items() if outcome.new}
    assert {"bronze.images", "silver.image_features", "gold.fruit_vectors"} <= new
    assert "gold.pca" not in new
    features = lake.catalog.current("silver.image_features")
    assert features is not None
    assert (features.parameters["rows_added"], features.rows) == ("12", 36)
    assert second.explained is not None
    with lake.open() as run:
        pca = run.spark.table("gold.pca").first()
        assert pca is not None
        model = run.spark.read.parquet(f"{lake.path}/model/pca/{pca.pca_id}/stages/*/data").first()
        assert model is not None
        added = run.spark.table("silver.image_features").where(f"batch = '{second.id}'").select("features").collect()
    x = np.array([r.features for r in added]) - np.array(model.mean)
    kept = x @ np.array(model.components).T
    assert second.explained == pytest.approx((kept**2).sum() / (x**2).sum(), rel=1e-6)
    assert second.explained < 0.81
    said = io.StringIO()
    print_pca(second, Console(file=said, width=300))
    assert "of the photos added since: fit it to them, too, with `fruitlake run gold --refit`" in said.getvalue()
    vectors = lake.catalog.current("gold.fruit_vectors")
    assert vectors is not None and vectors.rows == 36
    assert '"check":"explained_of_new_photos","severity":"warning","passed":false' in vectors.parameters["audit"]
    third = lake.run("gold", refit=True)
    assert third.explained is None, "there are no photos any more that the PCA has not seen"
    assert third.outcomes["gold.pca"].new
    assert third.outcomes["gold.fruit_vectors"].new


def test_another_model_has_its_own_silver_until_gold_switches(lake: Lake, spark: SparkSession) -> None:
    first = lake.run()
    before = {p: p.stat().st_mtime_ns for p in (lake.path / "silver").rglob("*.parquet")}
    other = replace(first.featurizer, model_id="mobilenetv2-onnx-another")
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:silver"], quiet=True)
        models = run.spark.table("silver.image_features").groupBy("model_id").count().collect()
        old = run.spark.table("gold.pca").first()
    assert {r.model_id: r["count"] for r in models} == {first.featurizer.model_id: 24, other.model_id: 24}
    assert {p: p.stat().st_mtime_ns for p in before} == before, "the old model's features are where they were"
    assert old is not None and old.model_id == first.featurizer.model_id
    with open_run(lake.settings(), QUIET, other) as run:
        invoke(run, ["build", "--select", "tag:gold"], quiet=True)
        new = run.spark.table("gold.pca").first()
        assert run.spark.table("gold.fruit_vectors").count() == 24
    assert new is not None and new.model_id == other.model_id
    assert os.path.isdir(f"{lake.path}/model/pca/{old.pca_id}"), "and gold can go back"
