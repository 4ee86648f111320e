"""A stream that is killed at any instant while photos arrive: none may be lost, and none be there twice.

stream ──photos arrive──▶ batch ──kill──▶ every table reads whole ──▶ … ──▶ stream --once ──▶ every photo, once
"""

import random
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.torture import processes
from tests.torture.checks import check_lake, reader
from tests.torture.kills import Killed, Scene, check_finished, make_scene
from tests.torture.pace import pace
from tests.torture.processes import RUN_AT_MOST, VICTIMS, Victim, kill, wait_until_gone

_PER_LABEL = 30  # all there are


def kill_streams(count: int, seed: int, folder: Path, cache: Path, say: Callable[[str], None]) -> Killed:
    """Kill one lake's stream so many times, then let it take what is left."""
    chance, killed = random.Random(seed), Killed()
    whole = make_scene(folder, cache, _PER_LABEL)
    scene = replace(whole, photos=folder / "arriving")
    waiting = sorted(path for path in whole.photos.rglob("*") if path.is_file())
    chance.shuffle(waiting)
    begun = time.monotonic()
    while killed.kills.total() < count:
        group = [waiting.pop() for _ in range(min(max(1, len(waiting) // count), len(waiting)))]
        kill_stream(scene, group, chance.choice(VICTIMS), chance.uniform(0, 8), killed)
        say(f"{killed}; {pace(killed.kills.total(), count, time.monotonic() - begun)}")
    arrive(scene, waiting)
    last = start(scene, "--once")
    said = wait_until_gone(last)
    assert last.returncode == 0, said
    check_finished(scene, killed)
    return killed


def start(scene: Scene, *options: str) -> subprocess.Popen[str]:
    """`fruitlake stream` of the scene, in processes of its own."""
    places = ("--images", str(scene.photos), "--lake", str(scene.lake), "--weights", "bundled", "--settle", "0")
    variables = {"FRUITLAKE_CACHE": str(scene.cache), "FRUITLAKE_MAX_QUARANTINE_SHARE": "1"}
    scene.photos.mkdir(exist_ok=True)
    return processes.start(*places, *options, what="stream", **variables)


def arrive(scene: Scene, photos: Sequence[Path]) -> None:
    """Rename the photos into their labels' folders below the source."""
    for photo in photos:
        (scene.photos / photo.parent.name).mkdir(exist_ok=True)
        photo.rename(scene.photos / photo.parent.name / photo.name)


def kill_stream(scene: Scene, photos: Sequence[Path], victim: Victim, delay: float, killed: Killed) -> None:
    """Start the stream, let photos arrive, and kill it `delay` seconds after it has found them; then end what is left.

    A worker may be killed between two tasks, and then nobody misses it.
    """
    before = _batches(scene)
    run = start(scene, "--trigger", "0.2")
    arrive(scene, photos)
    deadline = time.monotonic() + RUN_AT_MOST
    with reader(str(scene.lake)) as looks:
        while run.poll() is None and _batches(scene) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(delay)
        if kill(run, victim):
            killed.kills[victim] += 1
        else:
            killed.late += 1
        time.sleep(1)
        run.terminate()  # it ends by itself unless a worker was killed
        said = wait_until_gone(run)
    killed.looks += len(looks)
    assert "Traceback" not in said[1], said
    check_lake(scene.tables)


def _batches(scene: Scene) -> int:
    return len(list(scene.lake.glob("_stream/*/offsets/[0-9]*")))
