"""The parts of the benchmark run and count correctly, on a few photos; `make bench` does the measuring."""

import json
import shutil
import time
from pathlib import Path
from threading import BrokenBarrierError

import pytest
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql.functions import size
from rich.console import Console

from catalog.errors import RunError, SourceError
from ingestion.samples import SAMPLE_LABELS, write_sample_photos
from tests.bench.baselines import binary_file_copy, notebook, plain_spark, spark_pca
from tests.bench.limit import photos_per_second
from tests.bench.memory import PeakMemory
from tests.bench.photos import link_photos, repeat_samples, usable_photos
from tests.bench.report import Report
from tests.bench.scale import features, fit_and_project
from transforms.weights import find, prepare

LABELS, PHOTOS = SAMPLE_LABELS[:2], 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_sample_photos(folder / "drawn", per_label=2, labels=LABELS)
    return repeat_samples(folder / "drawn", folder / "repeated", PHOTOS)


def test_repeated_samples_are_other_photos(photos: Path) -> None:
    files = usable_photos(str(photos), PHOTOS, PHOTOS)
    assert [f.parent.name for f in files[:4]] == [*LABELS, *LABELS]
    assert len({Image.open(f).tobytes() for f in files}) == PHOTOS


def test_only_different_usable_photos_are_measured(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "a")
    shutil.copytree(photos, tmp_path / "b")
    (tmp_path / "a" / LABELS[0] / "0.jpg").write_bytes(b"no photo")
    files = usable_photos(str(tmp_path), 2, 1000)
    assert len(files) == PHOTOS
    assert len(list(link_photos(files, tmp_path / "linked").glob("*/*.jpg"))) == PHOTOS
    assert len(usable_photos(str(tmp_path), 2, 3)) == 3
    with pytest.raises(SourceError, match="lower --photos"):
        usable_photos(str(tmp_path), PHOTOS + 1, 1000)
    with pytest.raises(SourceError, match="local folder"):
        usable_photos("s3://photos", 1, 1)


def test_the_limit_sees_every_photo(photos: Path, cache: Path, tmp_path: Path) -> None:
    files = usable_photos(str(photos), PHOTOS, PHOTOS)
    model = prepare("bundled", "onnx", cache, str(tmp_path)).uri
    started = time.monotonic()
    rate = photos_per_second(files, model, 2)
    assert rate > PHOTOS / (time.monotonic() - started), "the clock starts when the processes are ready"
    files[-1] = tmp_path / "gone.jpg"
    with pytest.raises(BrokenBarrierError):
        photos_per_second(files, model, 2)


@pytest.mark.exhaustive
def test_others_run_on_spark_as_it_is(photos: Path, cache: Path, tmp_path: Path, spark: SparkSession) -> None:
    out, copy, rows = (str(tmp_path / name) for name in ("notebook", "copy", "rows"))
    features(spark, 20).selectExpr("slice(features, 1, 16) AS features").write.parquet(rows)
    with plain_spark("local[2]", tmp_path) as plain:
        plain.submit(notebook, str(photos), PHOTOS, find("bundled", cache), out).result()
        plain.submit(binary_file_copy, str(photos), copy).result()
        plain.submit(spark_pca, [rows], 2).result()
        with pytest.raises(RunError, match=r"binary_file_copy failed on plain Spark: .*\[PATH_NOT_FOUND\]"):
            plain.submit(binary_file_copy, str(tmp_path / "nowhere"), copy).result()
        assert "Tiered" not in plain.submit(_java_options).result()
    assert spark.read.parquet(out).where(size("features") == 1280).count() == PHOTOS
    assert spark.read.parquet(copy).count() == PHOTOS


def _java_options() -> str:
    return SparkSession.builder.getOrCreate().sparkContext.getConf().get("spark.driver.extraJavaOptions") or ""


def test_features_made_up_at_scale_are_the_same_every_time(spark: SparkSession, tmp_path: Path) -> None:
    assert features(spark, 20).toArrow().equals(features(spark, 20).toArrow())
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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are Linux's own")
def test_memory_is_that_of_the_jvm_and_its_workers(spark: SparkSession) -> None:
    with PeakMemory() as memory:
        spark.sparkContext.parallelize([0], 1).map(lambda _: __import__("time").sleep(3)).count()
    assert memory.jvm > 100  # MB
    assert memory.worker > 10
