"""A few kills where they hurt most; `make torture` does many at random."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.torture.kills import (
    Killed,
    Scene,
    check_finished,
    finish,
    kill_once,
    make_scene,
    start,
    wait_until_gone,
)


@pytest.fixture
def scene(tmp_path: Path, cache: Path) -> Scene:
    return make_scene(tmp_path, cache)


def test_a_run_killed_in_every_layer_loses_nothing(scene: Scene) -> None:
    killed = Killed()
    assert not kill_once(scene, "jvm", 0.3, killed, once=scene.lake / "bronze" / "quarantine")
    kill_once(scene, "worker", 0.1, killed, once=scene.lake / "silver" / "image_features")
    kill_once(scene, "driver", 0.2, killed, once=scene.lake / "gold" / "fruit_vectors")
    assert killed.kills.total() >= 2
    finish(scene, killed)
    assert (killed.lost_rows, killed.finished) == (0, 1)
    assert killed.looks > 0


def test_two_runs_at_once_lose_nothing(scene: Scene) -> None:
    runs = [start(scene)]
    time.sleep(1)
    runs.append(start(scene))
    said = [wait_until_gone(run) for run in runs]
    codes = [run.returncode for run in runs]
    assert 0 in codes, said
    for code, (_, errors) in zip(codes, said, strict=True):
        assert "Traceback" not in errors
        assert code == 0 or "was published by another run" in errors.replace("\n", " "), errors
    check_finished(scene, Killed())  # who got through has done all there was to do
