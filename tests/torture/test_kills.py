"""Kill runs at a few critical moments; `make torture` kills many at random, and tries concurrent local runs."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.lakes import Lake
from tests.torture.kills import Killed, Scene, check_finished, kill_once, make_scene


@pytest.fixture
def scene(tmp_path: Path, cache: Path) -> Scene:
    return make_scene(tmp_path, cache)


@pytest.mark.exhaustive
def test_a_run_killed_in_every_layer_loses_nothing(scene: Scene, cache: Path, spark: SparkSession) -> None:
    killed = Killed()
    assert not kill_once(scene, "jvm", 0.3, killed, once=scene.lake / "bronze" / "quarantine")
    kill_once(scene, "worker", 0.1, killed, once=scene.lake / "silver" / "image_features")
    kill_once(scene, "driver", 0.2, killed, once=scene.lake / "gold" / "fruit_vectors")
    assert killed.kills.total() >= 2
    Lake(scene.photos, scene.lake, cache).run(max_quarantine_share=1)  # in this process, which saves half a minute
    check_finished(scene, killed)
    assert (killed.lost_rows, killed.finished) == (0, 1)
    assert killed.looks > 0
