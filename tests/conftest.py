"""Shared fixtures: one Spark session per test process, and a built lake for tests that only read."""

import fcntl
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bootstrap import session, settings
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.lakes import AWKWARD_FOLDER, AWKWARD_LABELS, Lake
from tests.photos import sample_photo

_SLOW_FIXTURES = {"spark", "emr_aws"}
_LONGEST = {"training", "torture"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need a Spark session, or stacks on the moto server, as slow: `-m "not slow"` starts no JVM.

    Files with such tests go first, above all those with tests that take minutes, so that none runs alone at the end.
    """
    for item in items:
        if item.get_closest_marker("exhaustive") or _SLOW_FIXTURES & {*getattr(item, "fixturenames", ())}:
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name not in _LONGEST, item.path not in slow))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Remove the developer's FRUITLAKE_* variables."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [n for n in os.environ if n.startswith("FRUITLAKE_")]:
            environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the tests. It links to the user's jars of Spark; all test processes share the cluster's
    packaged environment and the built lake, which take long to build.
    """
    folder = tmp_path_factory.mktemp("cache")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    places = {"jars": settings.load().cache} | dict.fromkeys(("emr", "built"), shared)
    for name, place in places.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(place / name)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_garbage() -> Iterator[None]:
    """Free DataFrames after each module: Java keeps their plans until Python's garbage collector runs."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    server = AwsServer()
    yield server
    server.close()


@pytest.fixture
def aws(aws_server: AwsServer) -> Iterator[AwsServer]:
    """The moto server without tables; the AWS_* variables point to it."""
    aws_server.forget_tables()
    with aws_server.environment():
        yield aws_server


@pytest.fixture(scope="session")
def cache(cache_folder: Path, spark: SparkSession) -> Path:
    """The cache folder, for tests that run the pipeline in this process's Spark session."""
    return cache_folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that only one test process fills it."""
    with open(folder / "tests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def built_once(shared: Path) -> Iterator[bool]:
    """Hold the lock of a folder that all test processes share; yields whether the block must fill the folder."""
    shared.mkdir(parents=True, exist_ok=True)
    with locked(shared):
        yield not (shared / "whole").exists()
        (shared / "whole").touch()


@pytest.fixture(scope="session")
def spark(cache_folder: Path, aws_server: AwsServer) -> SparkSession:
    """The Spark session of this test process; opening a lake makes it the session's catalog.

    Java and Python workers keep the AWS_* variables from the start of Spark, which point to the moto server.
    """
    with locked(cache_folder / "jars"), aws_server.environment():
        given = settings.load(cache=cache_folder, driver_memory="1500m")  # three sessions share the machine
        return session.start(given, given.open_lake())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path, spark: SparkSession) -> Iterator[Lake]:
    """A lake with every layer: sample photos of three varieties, and a photo per awkward label, in an awkward folder.

    It is built once for all test processes, and each gets a copy. A test that publishes works on a copy of its own.
    """
    shared = (cache / "built").resolve()  # the same path in all processes, because rows contain the paths of photos
    first = Lake(shared / "photos", shared / AWKWARD_FOLDER, cache)
    with built_once(shared) as missing:
        if missing:
            _write_photos(first.photos)
            first.run()
    lake = first.copy(tmp_path_factory.mktemp("built") / AWKWARD_FOLDER)
    before = _snapshots(lake)
    yield lake
    assert _snapshots(lake) == before, "a test changed the lake that all tests share"


def _snapshots(lake: Lake) -> dict[str, list[int]]:
    """The ids of all snapshots per table, published or not."""
    tables = {name: lake.tables.load(name) for name in lake.tables.existing_tables()}
    return {name: [s.snapshot_id for s in table.metadata.snapshots] for name, table in tables.items() if table}


def _write_photos(folder: Path) -> None:
    write_sample_photos(folder, per_label=8, labels=("Apple Braeburn", "Banana", "Kiwi Half"))
    for index, label in enumerate(AWKWARD_LABELS):
        (folder / label).mkdir(exist_ok=True)  # may exist if the first process failed
        sample_photo("Plum", index, 96).save(folder / label / "plum.png")
