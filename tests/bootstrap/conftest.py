"""A command in the test's folder, and a lake with a past to erase from."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bootstrap.reporting import report_run
from catalog.branch import AuditBranch
from catalog.scan import data_files
from catalog.tables import IMAGES
from ingestion.samples import write_sample_photos
from tests.commands import Here, fruitlake
from tests.conftest import built_once
from tests.erased import LABELS, QUIET
from tests.lakes import Lake


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Run a command in this process, in the test's folder."""
    return partial(fruitlake, cwd=tmp_path)


@pytest.fixture(scope="session")
def twice_run(cache: Path, spark: SparkSession) -> Lake:
    """A lake with two batches (two snapshots of every table), a rejected file, and leftovers of killed runs.

    All test processes share it; only tests/bootstrap/test_erasure.py may move its photos.
    """
    shared = (cache / "built").resolve() / "twice"
    lake = Lake(shared / "photos", shared / "lake", cache)
    with built_once(shared) as missing:
        if missing:
            _run_twice(lake)
    return lake


def _run_twice(lake: Lake) -> None:
    write_sample_photos(lake.photos, per_label=4, labels=LABELS)
    lake.run()
    write_sample_photos(lake.photos, per_label=8, labels=LABELS)
    (lake.photos / "Banana" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    assert report_run(lake.run(max_quarantine_share=1), QUIET)
    images = lake.tables.load("bronze.images")
    assert images is not None
    for file in map(Path, data_files(images)):
        shutil.copy(file, file.with_name(f"killed-before-its-commit-{file.name}"))
    with lake.open() as killed:
        branch = AuditBranch(killed.spark, killed.lake, IMAGES, killed.id, killed.current("bronze.images"))
        branch.append(branch.rows().limit(100))
