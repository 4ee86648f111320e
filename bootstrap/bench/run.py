"""Measure everything in one run, on the same photos: the limit, ours, and what others do.

cold start ─▶ 3 × silver ─▶ notebook ─▶ bronze ─▶ end to end at N ─▶ bronze ─▶ end to end at 4N ─▶ PCA
       limit ─┘  limit ─┘    limit ─┘               limit ─┘                       limit ─┘

Spark is warm when ours is measured (a small lake is built first), as the limit's processes are, and as the plain
Spark is that others run on; what a cold start costs is a line of its own. A machine is not equally fast in all
minutes: the limit is measured between the contenders, and each is compared with the mean of those around it.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.bench.baselines import binary_file_copy, notebook, plain_spark, spark_pca
from bootstrap.bench.limit import photos_a_second
from bootstrap.bench.memory import PeakMemory
from bootstrap.bench.photos import link_photos, repeat_samples, usable_photos
from bootstrap.bench.report import Figure, Report
from bootstrap.pipeline import build, open_run
from bootstrap.reporting import report_run
from bootstrap.session import start
from bootstrap.settings import Settings
from ingestion.bronze import Ingestion
from ingestion.samples import write_sample_photos
from transforms.pca import VariancePCA
from transforms.silver import new_features
from transforms.weights import find, prepare

_FIRST_PHOTOS = 256  # four tasks of the network
_ROUNDS = 3  # of what is short, in turn with what it is compared with
_QUIET = Console(quiet=True)


class Bench:
    """One run of the bench, in a folder of its own that is removed at the end."""

    def __init__(self, settings: Settings, photos: int, full: bool, work: Path, console: Console) -> None:
        self._settings = settings
        self._photos = photos
        self._factors = (1, 4, 16) if full else (1, 4)
        self._work = work
        self._console = console
        self._limits: list[float] = []  # photos a second, measured again after every contender
        self._limit_photos: list[Path] = []
        self._plain: ProcessPoolExecutor
        self.report = Report(photos)

    def run(self) -> Report:
        files = self._files()
        self._limit_photos = files[: self._photos]
        photos = link_photos(self._limit_photos, self._work / "photos")
        with PeakMemory() as memory, plain_spark(self._settings.master, self._work) as self._plain:
            cold = self._cold(files[:_FIRST_PHOTOS])
            self._measure_limit()
            silver = self._silver(photos)
            self._notebook(photos, silver)
            self._bronze(photos, self._photos)
            self._growth(files)
            self._pca()
        limit = f"{min(self._limits):.0f} to {max(self._limits):.0f} photos/s in {len(self._limits)} measurements"
        self.report.figures[:0] = [Figure("limit", limit), Figure("cold start", f"{cold:.1f} s once a process")]
        self.report.add_memory(memory)
        return self.report

    def _files(self) -> list[Path]:
        most = self._photos * self._factors[-1]
        if self._settings.images is not None:
            self._console.print(f"looking for {most:,} different photos in {self._settings.images}")
            return usable_photos(self._settings.images, self._photos, most)
        samples = self._settings.cache / "sample-photos"
        write_sample_photos(samples)
        self._console.print(f"{most:,} photos: the samples repeated")
        return usable_photos(str(repeat_samples(samples, self._settings.cache / "bench-photos", most)), most, most)

    def _measure_limit(self) -> None:
        self._console.print("limit: plain processes")
        featurizer = prepare(self._settings.weights, "onnx", self._settings.cache, str(self._work / "models"))
        cores = start(self._settings).sparkContext.defaultParallelism  # as many as Spark uses
        self._limits.append(photos_a_second(self._limit_photos, featurizer.uri, cores))

    def _add_against_limit(self, name: str, rate: float, goal: float | None, rounds: int = 1) -> float:
        """The share of the limit that the last rounds reached, one measurement of the limit before and after each."""
        around = self._limits[-rounds - 1 :]
        limit = sum(around) / len(around)
        self.report.add(name, f"{rate:.0f} photos/s, limit {limit:.0f}", rate / limit, "of limit", goal)
        return rate / limit

    def _cold(self, files: list[Path]) -> float:
        """Seconds of a process's first run; after it Java knows our code, and binaryFile's."""
        self._console.print(f"cold start: Spark, dbt and the network, on {len(files)} photos")
        photos = link_photos(files, self._work / "few")
        started = time.monotonic()
        self._end_to_end(photos)
        seconds = time.monotonic() - started
        self._copy(photos)
        return seconds

    def _copy(self, photos: Path) -> float:
        """Seconds of plain Spark."""
        return self._plain.submit(binary_file_copy, str(photos), str(self._work / "copy")).result()

    def _bronze(self, photos: Path, count: int, at: str = "") -> None:
        self._console.print(f"bronze, and a plain binaryFile copy: {count:,} photos")
        spark = start(self._settings)
        copy = seconds = 0.0
        for _ in range(_ROUNDS):
            copy += self._copy(photos)
            seconds += self._ingestion(spark, photos)
        rate = count * _ROUNDS / seconds
        self.report.add(f"bronze{at}", f"{rate:,.0f} photos/s", copy / seconds, "x binaryFile copy", 2)

    def _silver(self, photos: Path) -> float:
        """Its share of the limit."""
        lake = self._work / "lake"
        build(self._settings_of(photos, lake), "bronze", _QUIET)
        seconds = 0.0
        for _ in range(_ROUNDS):
            self._console.print("silver")
            seconds += self._featurization(lake)
            self._measure_limit()
        return self._add_against_limit("silver", self._photos * _ROUNDS / seconds, 0.90, _ROUNDS)

    def _ingestion(self, spark: SparkSession, photos: Path) -> float:
        """Seconds from files to checked photos in Parquet: bronze's own Spark jobs, without audit and dbt."""
        started = time.monotonic()
        ingestion = Ingestion(spark, str(photos), None, None, lambda title, count: nullcontext())
        images = ingestion.images()
        assert images is not None  # there are photos
        images.write.mode("overwrite").parquet(str(self._work / "images"))
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
            rows.write.mode("overwrite").parquet(str(self._work / "features"))
            return time.monotonic() - started

    def _growth(self, files: list[Path]) -> None:
        seconds: dict[int, float] = {}
        for factor in self._factors:
            count = self._photos * factor
            if count > len(files):
                self._console.print(f"growth: only {len(files):,} photos, {count:,} left out")
                break
            photos = link_photos(files[:count], self._work / f"times{factor}")
            at = f" at {factor}N" if factor > 1 else ""
            if factor > 1:
                self._bronze(photos, count, at)
            self._console.print(f"end to end: {count:,} photos")
            seconds[factor] = self._end_to_end(photos)
            self._measure_limit()
            rate = count / seconds[factor]
            self._add_against_limit(f"end to end{at}", rate, 0.75)
            if factor > 1:
                grown = seconds[factor] / factor / seconds[1]
                self.report.add(f"seconds a photo{at}", f"{1000 / rate:.2f} ms", grown, "x at N", 1.1, True)

    def _pca(self) -> None:
        self._console.print("PCA: ours and Spark's")
        stored = str(self._work / "features")
        features = start(self._settings).read.parquet(stored).cache()
        features.count()
        started = time.monotonic()
        model = VariancePCA(variance=self._settings.variance).fit(features)
        ours = time.monotonic() - started
        features.unpersist()
        theirs = self._plain.submit(spark_pca, stored, model.k).result()
        self.report.add("PCA fit", f"{ours:.2f} s for k = {model.k}", theirs / ours, "x Spark's", 5)

    def _notebook(self, photos: Path, silver: float) -> None:
        self._console.print("the notebook's way")
        weights = find(self._settings.weights, self._settings.cache)
        out = str(self._work / "notebook")
        seconds = self._plain.submit(notebook, str(photos), self._photos, weights, out).result()
        self._measure_limit()
        share = self._add_against_limit("notebook", self._photos / seconds, None)
        self.report.add("silver against notebook", "", silver / share, "x notebook", 10)

    def _settings_of(self, photos: Path, lake: Path) -> Settings:
        return self._settings.model_copy(update={"images": str(photos), "lake": str(lake)})

    def _end_to_end(self, photos: Path) -> float:
        """Seconds of what `fruitlake run` does, its report included."""
        lake = photos.with_suffix(".lake")
        started = time.monotonic()
        report_run(build(self._settings_of(photos, lake), "all", _QUIET), _QUIET)
        seconds = time.monotonic() - started
        shutil.rmtree(lake)
        return seconds
