"""Measure everything in one run, on the same photos: the limit, ours, and what others do.

limit ─▶ (one Spark session) cold start ─▶ bronze ─▶ silver ─▶ end to end at N, 4N, 16N ─▶ PCA ─▶ notebook ─▶ table

Spark is warm when ours is measured (a small lake is built first), as the limit's processes are; what a cold
start costs is a line of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.bench.baselines import binary_file_copy, notebook, spark_pca
from bootstrap.bench.limit import photos_a_second
from bootstrap.bench.memory import PeakMemory
from bootstrap.bench.photos import link_photos, photo_files, repeat_samples
from bootstrap.bench.report import Figure, Report
from bootstrap.bench.synthetic import fit_and_project
from bootstrap.pipeline import build, open_run
from bootstrap.session import start
from bootstrap.settings import Settings
from ingestion.bronze import Ingestion
from ingestion.samples import write_sample_photos
from transforms.pca import VariancePCA
from transforms.silver import new_features
from transforms.weights import find, prepare

_FIRST_PHOTOS = 256  # four tasks of the network
_NOTEBOOK_PHOTOS = 500  # it is slow; its rate does not depend on how many
_QUIET = Console(quiet=True)


class Bench:
    """One run of the bench, in a folder of its own that is removed at the end."""

    def __init__(self, settings: Settings, photos: int, full: bool, work: Path, console: Console) -> None:
        self._settings = settings
        self._photos = photos
        self._factors = (1, 4, 16) if full else (1, 4)
        self._work = work
        self._console = console
        self._cores = os.cpu_count() or 1
        self.report = Report(f"{self._cores} cores, {platform.machine()}, Python {platform.python_version()}", photos)

    def run(self) -> Report:
        files = self._files()
        photos = link_photos(files[: self._photos], self._work / "photos")
        limit = self._limit(files[: self._photos])
        self._console.print(f"cold start: Spark, dbt and the network, on {_FIRST_PHOTOS} photos")
        started = time.monotonic()
        self._end_to_end(link_photos(files[:_FIRST_PHOTOS], self._work / "few"))
        self._add("cold start", f"{time.monotonic() - started:.1f} s once a process")
        with PeakMemory() as memory:
            self._layers(photos, limit)
            self._growth(files, limit)
        self._add("peak memory, JVM", f"{memory.jvm:,.0f} MB")
        self._add("peak memory, Python worker", f"{memory.worker:,.0f} MB", memory.worker / 700, "of 700 MB", 1, True)
        self._pca()
        self._notebook(files)
        return self.report

    def _files(self) -> list[Path]:
        count = self._photos * self._factors[-1]
        if self._settings.images is not None:
            available = photo_files(Path(self._settings.images), self._photos)
            count = min(count, len(available))
            return photo_files(Path(self._settings.images), count)
        samples = self._settings.cache / "sample-photos"
        write_sample_photos(samples)
        self._console.print(f"{count:,} photos: the samples repeated")
        return photo_files(repeat_samples(samples, self._settings.cache / "bench-photos", count), count)

    def _limit(self, files: list[Path]) -> float:
        self._console.print("limit: plain processes")
        featurizer = prepare(self._settings.weights, "onnx", self._settings.cache, str(self._work / "models"))
        limit = photos_a_second(files, featurizer.uri, self._cores)
        self._add("limit", f"{limit:.0f} photos/s")
        return limit

    def _layers(self, photos: Path, limit: float) -> None:
        self._console.print("bronze and silver, and a plain binaryFile copy")
        spark = start(self._settings)
        copy = binary_file_copy(spark, str(photos), str(self._work / "copy"))
        bronze = self._ingestion(spark, photos)
        self._add("bronze", f"{self._photos / bronze:,.0f} photos/s", copy / bronze, "x binaryFile copy", 2)
        lake = self._work / "lake"
        self._timed("bronze", photos, lake)
        self.silver = self._photos / self._featurization(lake)
        self._add("silver", f"{self.silver:.0f} photos/s", self.silver / limit, "of limit", 0.90)

    def _ingestion(self, spark: SparkSession, photos: Path) -> float:
        """Seconds from files to checked photos in Parquet: bronze's own Spark jobs, without audit and dbt."""
        started = time.monotonic()
        ingestion = Ingestion(spark, str(photos), None, None, lambda title, count: nullcontext())
        images = ingestion.images()
        assert images is not None  # there are photos
        images.write.parquet(str(self._work / "images"))
        seconds = time.monotonic() - started
        ingestion.close()
        return seconds

    def _featurization(self, lake: Path) -> float:
        """Seconds from the bronze table to features in Parquet: silver's own Spark job, without audit and dbt."""
        settings = self._settings.model_copy(update={"lake": str(lake)})
        with open_run(settings, _QUIET) as run:
            prepare(settings.weights, settings.engine, settings.cache, settings.lake)  # as every run has it
            started = time.monotonic()
            rows = new_features(run, run.spark.table("bronze.images"))
            assert rows is not None  # a lake that has bronze only
            rows.write.parquet(str(self._work / "features"))
            return time.monotonic() - started

    def _growth(self, files: list[Path], limit: float) -> None:
        seconds: dict[int, float] = {}
        for factor in self._factors:
            count = self._photos * factor
            if count > len(files):
                self._console.print(f"growth: only {len(files):,} photos, {count:,} left out")
                break
            self._console.print(f"end to end: {count:,} photos")
            seconds[factor] = self._end_to_end(link_photos(files[:count], self._work / f"times{factor}"))
            rate = count / seconds[factor]
            at = f" at {factor}N" if factor > 1 else ""
            self._add(f"end to end{at}", f"{rate:.0f} photos/s", rate / limit, "of limit", 0.75)
            if factor > 1:
                grown = seconds[factor] / factor / seconds[1]
                self._add(f"seconds a photo{at}", f"{1000 / rate:.2f} ms", grown, "x at N", 1.1, True)

    def _pca(self) -> None:
        self._console.print("PCA: ours and Spark's")
        features = start(self._settings).read.parquet(str(self._work / "features")).cache()
        features.count()
        started = time.monotonic()
        model = VariancePCA(variance=self._settings.variance).fit(features)
        ours = time.monotonic() - started
        theirs = spark_pca(features, model.k)
        features.unpersist()
        self._add("PCA fit", f"{ours:.2f} s for k = {model.k}", theirs / ours, "x Spark's", 5)

    def _notebook(self, files: list[Path]) -> None:
        self._console.print("the notebook's way")
        count = min(_NOTEBOOK_PHOTOS, len(files))
        photos = link_photos(files[:count], self._work / "notebook")
        weights = find(self._settings.weights, self._settings.cache)
        seconds = notebook(start(self._settings), str(photos), count, weights, str(self._work / "out"))
        rate = count / seconds
        self._add("notebook", f"{rate:.1f} photos/s")
        self._add("silver against notebook", "", self.silver / rate, "x notebook", 10)

    def scale(self, rows: int) -> Report:
        """The PCA and gold on `rows` made-up feature vectors, against a tenth of them."""
        spark = start(self._settings)
        self.report = Report(self.report.machine, rows)
        small = fit_and_project(spark, rows // 10, self._settings.variance, str(self._work / "tenth"))
        with PeakMemory() as memory:
            large = fit_and_project(spark, rows, self._settings.variance, str(self._work / "vectors"))
        for name, seconds, tenth in (("PCA fit", large.fit, small.fit), ("gold", large.gold, small.gold)):
            self._add(
                name, f"{seconds:,.1f} s for k = {large.k}", seconds / 10 / tenth, "x a row at a tenth", 1.1, True
            )
        self._add("peak memory, JVM", f"{memory.jvm:,.0f} MB")
        self._add("peak memory, Python worker", f"{memory.worker:,.0f} MB", memory.worker / 700, "of 700 MB", 1, True)
        return self.report

    def _timed(self, layer: str, photos: Path, lake: Path) -> float:
        started = time.monotonic()
        build(self._settings.model_copy(update={"images": str(photos), "lake": str(lake)}), layer, _QUIET)
        return time.monotonic() - started

    def _end_to_end(self, photos: Path) -> float:
        lake = photos.with_suffix(".lake")
        seconds = self._timed("all", photos, lake)
        shutil.rmtree(lake)
        return seconds

    def _add(
        self,
        name: str,
        value: str,
        ratio: float | None = None,
        of: str = "",
        goal: float | None = None,
        at_most: bool = False,
    ) -> None:
        self.report.figures.append(Figure(name, value, ratio, of, goal, at_most))
