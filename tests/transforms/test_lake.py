"""The whole pipeline on a small lake: what a user relies on, looked at with Spark and with pyarrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from catalog.tables import TABLES
from ingestion.samples import write_sample_photos
from tests.lakes import AWKWARD_LABELS, Lake


def test_every_table_is_published(built: Lake) -> None:
    assert set(built.catalog.tables()) == set(TABLES)
    rows = {name: snapshot.rows for name in TABLES if (snapshot := built.catalog.current(name))}
    photos = len(list(built.photos.glob("*/*")))
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == photos
    assert rows["gold.pca"] == 1
    assert rows["bronze.quarantine"] == 0


def test_awkward_labels_survive_to_spark_and_pyarrow(built: Lake) -> None:
    with built.open() as run:
        by_spark = {r.label for r in run.spark.sql("SELECT DISTINCT label FROM gold.fruit_vectors").collect()}
    snapshot = built.catalog.current("gold.fruit_vectors")
    assert snapshot is not None
    hive = ds.partitioning(pa.schema([("label", pa.string())]), flavor="hive")
    by_pyarrow = set(ds.dataset(built.path / snapshot.location, partitioning=hive).to_table()["label"].to_pylist())
    assert by_spark == by_pyarrow == {p.name for p in built.photos.iterdir()}
    assert by_spark >= set(AWKWARD_LABELS)


def test_gold_holds_one_file_a_label_in_a_folder_with_literal_spaces(built: Lake) -> None:
    snapshot = built.catalog.current("gold.fruit_vectors")
    assert snapshot is not None
    folder = built.path / snapshot.location
    assert (folder / "label=Apple Braeburn").is_dir()
    assert (folder / "_SUCCESS").exists()
    files = [len(list(label.glob("*.parquet"))) for label in folder.glob("label=*")]
    assert files == [1] * len(list(built.photos.iterdir()))


def test_the_kept_components_just_reach_the_target(built: Lake) -> None:
    with built.open() as run:
        rows = run.spark.table("gold.pca_variance").orderBy("component").collect()
        vector = run.spark.table("gold.fruit_vectors").first()
    kept = [r for r in rows if r.kept]
    assert kept[-1].cumulative >= 0.90 > rows[len(kept) - 2].cumulative
    assert rows[-1].cumulative == pytest.approx(1)
    assert vector is not None
    assert len(vector.vector) == len(kept)


def test_the_marts_agree_with_numpy(built: Lake) -> None:
    with built.open() as run:
        vectors = run.spark.table("gold.fruit_vectors").collect()
        summary = {r.label: r for r in run.spark.table("gold.label_summary").collect()}
        similar = {(r.label, r.other_label): r for r in run.spark.table("gold.label_similarity").collect()}
    centroids = {}
    for label, row in summary.items():
        mine = np.array([v.vector for v in vectors if v.label == label], dtype=np.float64)
        centroids[label] = mine.mean(axis=0)
        assert row.photos == len(mine)
        assert row.share == pytest.approx(len(mine) / len(vectors))
        np.testing.assert_allclose(row.centroid, centroids[label], atol=1e-5)
        assert row.spread == pytest.approx(np.sqrt(((mine - centroids[label]) ** 2).sum(axis=1).mean()), abs=1e-4)
    assert len(similar) == len(summary) * (len(summary) - 1)
    for (one, other), row in similar.items():
        a, b = centroids[one], centroids[other]
        assert row.cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
    nearest = {one: max((r for (a, _), r in similar.items() if a == one), key=lambda r: r.cosine) for one in summary}
    assert all(row.rank == 1 for row in nearest.values())


def test_the_same_photos_again_publish_nothing(built: Lake) -> None:
    run = built.run()
    assert set(run.outcomes) == set(TABLES)
    assert not any(outcome.new for outcome in run.outcomes.values())
    counts = run.ingested()
    assert counts is not None
    assert (counts.inputs, counts.stored) == (counts.duplicates, 0)


def test_a_single_photo_makes_a_lake(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=1, size=64, labels=("Plum",), workers=1)
    lake.run()
    vectors = lake.catalog.current("gold.fruit_vectors")
    similarity = lake.catalog.current("gold.label_similarity")
    assert vectors is not None
    assert similarity is not None
    assert (vectors.rows, similarity.rows) == (1, 0)
