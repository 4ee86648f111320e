"""Measure everything in one run, on the same photos: the limit, ours, and what others do.

cold start ─▶ 3 × silver ─▶ notebook ─▶ bronze ─▶ end to end at N ─▶ bronze ─▶ end to end at 4N ─▶ PCA ─▶ phone photos
       limit ─┘  limit ─┘    limit ─┘               limit ─┘                       limit ─┘

Silver and end to end are measured in fp32 and in int8; silver also on a few photos of 12 megapixels, at the end.

Spark is warm when ours is measured (a small lake is built first), as the limit's processes are, and as the plain
Spark is that others run on; what a cold start costs is a line of its own. A machine is not equally fast in all
minutes: the limit is measured between the contenders, and each is compared with the mean of those around it.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.pipeline import build
from bootstrap.session import start
from bootstrap.settings import Settings
from catalog.parquet import FileScan
from tests.bench.baselines import binary_file_copy, notebook, plain_spark, spark_pca
from tests.bench.layers import QUIET, end_to_end, featurization, ingestion
from tests.bench.limit import photos_per_second
from tests.bench.memory import PeakMemory
from tests.bench.photos import PHONE, link_photos, noisy_photos, sample_or_users_photos
from tests.bench.report import Figure, Report
from transforms.pca import VariancePCA
from transforms.quantization import quantized
from transforms.weights import Featurizer, find, prepare

_FIRST_PHOTOS = 256  # four tasks of the network
_PHONE_PHOTOS = 48
_ROUNDS = 3  # of what is short, in turn with what it is compared with


class Bench:
    """One run of the bench, in a folder of its own that is removed at the end."""

    def __init__(self, settings: Settings, photos: int, full: bool, work: Path, console: Console) -> None:
        self._settings = settings
        self._photos = photos
        self._factors = (1, 4, 16) if full else (1, 4)
        self._work = work
        self._console = console
        self._limits: list[float] = []  # photos per second, measured again after every contender
        self._limit_photos: list[Path] = []
        self._plain: ProcessPoolExecutor
        self._features: dict[str, int] = {}  # files of silver, and their sizes
        self.report = Report(photos)

    def run(self) -> Report:
        most = self._photos * self._factors[-1]
        self._console.print(f"looking for {most:,} different photos")
        files = sample_or_users_photos(self._settings, self._photos, most)
        self._limit_photos = files[: self._photos]
        photos = link_photos(self._limit_photos, self._work / "photos")
        with PeakMemory() as memory, plain_spark(self._settings.master or "local[*]", self._work) as self._plain:
            cold = self._cold(files[:_FIRST_PHOTOS])
            self._measure_limit()
            silver, gain = self._silver(photos)
            self._notebook(photos, silver, gain)
            self._bronze(photos, self._photos)
            self._growth(files)
            self._pca()
            self.report.add_memory(memory)
            self._phone()
        limit = f"{min(self._limits):.0f} to {max(self._limits):.0f} photos/s in {len(self._limits)} measurements"
        self.report.figures[:0] = [Figure("limit", limit), Figure("cold start", f"{cold:.1f} s once a process")]
        self.report.add_memory(memory, ", 12 megapixels")
        return self.report

    def _measure_limit(self) -> None:
        self._console.print("limit: plain processes")
        self._limits.append(self._bare_loop(self._exported(self._work / "models")))

    def _exported(self, lake: Path) -> Featurizer:
        return prepare(self._settings.weights, "onnx", self._settings.cache, str(lake))

    def _bare_loop(self, network: Featurizer) -> float:
        cores = self._spark().sparkContext.defaultParallelism  # as many as Spark uses
        return photos_per_second(self._limit_photos, network.uri, cores)

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
        seconds, _, _ = end_to_end(self._settings_of(photos, photos.with_suffix(".lake")))
        self._copy(photos)
        return seconds

    def _copy(self, photos: Path) -> float:
        """Seconds of plain Spark."""
        return self._plain.submit(binary_file_copy, str(photos), str(self._work / "copy")).result()

    def _bronze(self, photos: Path, count: int, at: str = "") -> None:
        self._console.print(f"bronze, and a plain binaryFile copy: {count:,} photos")
        spark = self._spark()
        copy = seconds = 0.0
        for _ in range(_ROUNDS):
            copy += self._copy(photos)
            seconds += ingestion(spark, photos, self._work / "images")
        rate = count * _ROUNDS / seconds
        self.report.add(f"bronze{at}", f"{rate:,.0f} photos/s", copy / seconds, "x binaryFile copy", 2)

    def _silver(self, photos: Path) -> tuple[float, float]:
        """The share of the limit that silver reaches in fp32, and how much faster it is in int8."""
        lake = self._work / "lake"
        build(self._settings_of(photos, lake), "bronze", QUIET)
        seconds = {"int8": 0.0, "fp32": 0.0}  # the PCA is then fitted to the features of fp32
        bare = 0.0
        for _ in range(_ROUNDS):
            for precision in seconds:
                self._console.print(f"silver in {precision}")
                taken, self._features = featurization(self._settings_of(photos, lake, precision))
                seconds[precision] += taken
            self._measure_limit()
            bare += self._bare_loop(quantized(self._exported(lake), str(lake), None, 0)) / _ROUNDS
        rates = {precision: self._photos * _ROUNDS / taken for precision, taken in seconds.items()}
        share = self._add_against_limit("silver", rates["fp32"], 0.95, _ROUNDS)
        gain = rates["int8"] / rates["fp32"]
        self.report.add("silver in int8", f"{rates['int8']:.0f} photos/s", gain, "x silver in fp32", 1.8)
        fp32 = sum(self._limits[-_ROUNDS:]) / _ROUNDS
        self.report.add("limit in int8", f"{bare:.0f} photos/s", bare / fp32, "x limit")
        return share, gain

    def _spark(self) -> SparkSession:
        return start(self._settings, self._settings.open_lake())

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
            seconds[factor], again, audits = end_to_end(self._settings_of(photos, photos.with_suffix(".lake")))
            self._measure_limit()
            rate = count / seconds[factor]
            self._add_against_limit(f"end to end{at}", rate, 0.8 if factor > 1 else 0.6)
            in_int8, _, _ = end_to_end(self._settings_of(photos, photos.with_suffix(".lake"), "int8"))
            gain = seconds[factor] / in_int8
            self.report.add(f"end to end in int8{at}", f"{count / in_int8:.0f} photos/s", gain, "x fp32")
            self._audits(at, audits, seconds[factor], 0.1 if factor > 1 else None)
            self.report.add(f"the same again{at}", f"{again:.1f} s, nothing new")
            if factor > 1:
                grown = seconds[factor] / factor / seconds[1]
                self.report.add(f"seconds per photo{at}", f"{1000 / rate:.2f} ms", grown, "x at N", 1.05, True)

    def _pca(self) -> None:
        self._console.print("PCA: ours and Spark's")
        scan = FileScan(self._spark(), self._features, ["features"])
        started = time.monotonic()
        model = VariancePCA(variance=self._settings.variance).fit_scan(scan)
        ours = time.monotonic() - started
        theirs = self._plain.submit(spark_pca, list(self._features), model.k).result()
        self.report.add("PCA fit", f"{ours:.2f} s for k = {model.k}", theirs / ours, "x Spark's", 5)

    def _phone(self) -> None:
        """Photos of which decoding is nearly all of the work."""
        self._console.print(f"bronze and silver: {_PHONE_PHOTOS} JPEGs of 12 megapixels")
        photos = self._work / "phone"
        noisy_photos(photos, _PHONE_PHOTOS, PHONE, noise=4, quality=90)
        lake = self._work / "phone.lake"
        bronze = ingestion(self._spark(), photos, self._work / "images")
        build(self._settings_of(photos, lake), "bronze", QUIET)
        taken = {"bronze": bronze}
        for precision in ("fp32", "int8"):
            taken[f"silver in {precision}"], _ = featurization(self._settings_of(photos, lake, precision))
        for layer, seconds in taken.items():
            self.report.add(f"{layer}, 12 megapixels", f"{_PHONE_PHOTOS / seconds:.1f} photos/s")

    def _notebook(self, photos: Path, silver: float, gain: float) -> None:
        self._console.print("the notebook's way")
        weights = find(self._settings.weights, self._settings.cache)
        out = str(self._work / "notebook")
        seconds = self._plain.submit(notebook, str(photos), self._photos, weights, out).result()
        self._measure_limit()
        share = self._add_against_limit("notebook", self._photos / seconds, None)
        self.report.add("silver against notebook", "", silver / share, "x notebook", 10)
        self.report.add("silver in int8 against notebook", "", gain * silver / share, "x notebook", 12)

    def _settings_of(self, photos: Path, lake: Path, precision: str = "fp32") -> Settings:
        return self._settings.model_copy(update={"images": str(photos), "lake": str(lake), "precision": precision})

    def _audits(self, at: str, audits: dict[str, float], run: float, goal: float | None) -> None:
        by_table = ", ".join(f"{table} {seconds:.1f}" for table, seconds in audits.items())
        taken = sum(audits.values())
        self.report.add(f"audits{at}", f"{taken:.1f} s: {by_table}", taken / run, "of the run", goal, True)
