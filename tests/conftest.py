"""One Spark session for all tests of a process, and one built lake for those that only look."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bootstrap import session, settings
from catalog.errors import SettingsError
from ingestion.samples import draw_photo, write_sample_photos
from tests.aws import AwsServer
from tests.lakes import AWKWARD_LABELS, Lake
from transforms.weights import prepare


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """A developer's own FRUITLAKE_* variables do not reach the tests."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [n for n in os.environ if n.startswith("FRUITLAKE_")]:
            environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What takes long to make is made once: Spark's S3 jars in it are the user's own, and the exported weights, the
    cluster's environment and a built lake belong to all test processes.
    """
    folder = tmp_path_factory.mktemp("cache")
    everybodys = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        everybodys = everybodys.parent
    places = {"ivy": settings.load().cache} | dict.fromkeys(("onnx", "emr", "built"), everybodys)
    for name, place in places.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(place / name)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_garbage() -> Iterator[None]:
    """Java keeps what Python's DataFrames stand for until Python frees them; left alone, it waits for very long."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    server = AwsServer()
    yield server
    server.close()


@pytest.fixture
def aws(aws_server: AwsServer) -> Iterator[AwsServer]:
    """AWS on loopback, with no tables in it; the variables lead there."""
    aws_server.forget_tables()
    with aws_server.environment():
        yield aws_server


@pytest.fixture(scope="session")
def cache(cache_folder: Path, spark: SparkSession) -> Path:
    """The cache folder of all tests of a process: the bundled weights are exported once.

    Whoever asks for it may run something: then it runs in the one session, which can reach S3.
    """
    with locked(cache_folder / "onnx"):
        prepare("bundled", "onnx", cache_folder, str(cache_folder / "exported"))
    return cache_folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one test process at a time makes what the folder is for."""
    with open(folder / "tests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def spark(cache_folder: Path, aws_server: AwsServer) -> SparkSession:
    """The one session; it reaches AWS on loopback if Spark's S3 jars can be had."""
    with aws_server.environment(), locked(cache_folder / "ivy"):
        try:
            return session.start(settings.load(cache=cache_folder, lake="s3://lake"))
        except SettingsError:
            if os.environ.get("CI"):
                raise  # there, no test may be skipped
        return session.start(settings.load(cache=cache_folder))


@pytest.fixture(scope="session")
def s3_spark(spark: SparkSession) -> SparkSession:
    """The session, for tests that cannot do without S3."""
    try:
        session.start(settings.load(lake="s3://lake"))
    except SettingsError as error:
        pytest.skip(f"Spark's S3 jars could not be fetched: {error}")
    return spark


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path, spark: SparkSession) -> Lake:
    """A lake with every layer: sample photos of three varieties, and one photo of each awkward label.

    Made once for all test processes; each looks at a copy of its own, of the same photos.
    """
    everybodys = (cache / "built").resolve()  # by one path for all: what is stored of a photo names it
    first = Lake(everybodys / "photos", everybodys / "lake", cache)
    with locked(everybodys):
        if not (everybodys / "whole").exists():
            _write_photos(first.photos)
            first.run()
            (everybodys / "whole").touch()
    lake = Lake(first.photos, tmp_path_factory.mktemp("built") / "lake", cache)
    shutil.copytree(first.path, lake.path)
    return lake


def _write_photos(folder: Path) -> None:
    write_sample_photos(folder, per_label=8, size=96, labels=("Apple Braeburn", "Banana", "Kiwi Half"), workers=1)
    for index, label in enumerate(AWKWARD_LABELS):
        (folder / label).mkdir(exist_ok=True)  # if the first process failed
        draw_photo("Plum", index, 96).save(folder / label / "plum.png")
