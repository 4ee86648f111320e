"""The bench's parts, on a few photos: that they run and count rightly. What they measure is for `make bench`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql.functions import size
from rich.console import Console

from bootstrap.bench.baselines import binary_file_copy, notebook, spark_pca
from bootstrap.bench.limit import photos_a_second
from bootstrap.bench.memory import PeakMemory
from bootstrap.bench.photos import link_photos, photo_files, repeat_samples
from bootstrap.bench.report import Report
from bootstrap.bench.scale import features, fit_and_project
from catalog.errors import SourceError
from ingestion.samples import SAMPLE_LABELS, write_sample_photos
from transforms.weights import find, prepare

LABELS, PHOTOS = SAMPLE_LABELS[:2], 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_sample_photos(folder / "drawn", per_label=2, labels=LABELS, workers=1)
    return repeat_samples(folder / "drawn", folder / "repeated", PHOTOS)


def test_repeated_samples_are_other_photos(photos: Path) -> None:
    files = photo_files(photos, PHOTOS)
    assert [f.parent.name for f in files[:4]] == [*LABELS, *LABELS]
    assert len({Image.open(f).tobytes() for f in files}) == PHOTOS
    with pytest.raises(SourceError, match="lower --photos"):
        photo_files(photos, 1000)


def test_the_limit_and_the_notebook_see_every_photo(
    photos: Path, spark: SparkSession, cache: Path, tmp_path: Path
) -> None:
    files = photo_files(photos, PHOTOS)
    assert photos_a_second(files, prepare("bundled", "onnx", cache, str(tmp_path)).uri, 2) > 0
    linked = str(link_photos(files, tmp_path / "linked"))
    assert notebook(spark, linked, PHOTOS, find("bundled", cache), str(tmp_path / "notebook")) > 0
    assert spark.read.parquet(str(tmp_path / "notebook")).where(size("features") == 1280).count() == PHOTOS
    assert binary_file_copy(spark, linked, str(tmp_path / "copy")) > 0
    assert spark.read.parquet(str(tmp_path / "copy")).count() == PHOTOS


def test_features_made_up_at_scale_are_the_same_every_time(spark: SparkSession, tmp_path: Path) -> None:
    assert features(spark, 20).toArrow().equals(features(spark, 20).toArrow())
    assert spark_pca(features(spark, 20).selectExpr("slice(features, 1, 16) AS features"), 2) > 0
    assert fit_and_project(spark, 20, 0.9, str(tmp_path / "vectors")).k < 20
    assert spark.read.parquet(str(tmp_path / "vectors")).where("size(vector) < 20").count() == 20


def test_a_report_tells_which_goals_are_met(tmp_path: Path) -> None:
    report = Report(3000)
    report.add("silver", "180 photos/s", 0.9, "of limit", 0.9)
    report.add("growth", "6 ms", 1.2, "x at N", 1.1, at_most=True)
    report.add("cold start", "30 s")
    report.show(Console(quiet=True))
    report.write(tmp_path / "bench.json")
    assert [f["met"] for f in json.loads((tmp_path / "bench.json").read_text())["figures"]] == [True, False, None]


def test_memory_is_that_of_the_jvm_and_its_workers(spark: SparkSession) -> None:
    with PeakMemory() as memory:
        spark.sparkContext.parallelize([0], 1).map(lambda _: __import__("time").sleep(3)).count()
    assert memory.jvm > 100  # MB
    assert memory.worker > 10
