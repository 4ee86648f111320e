"""Runs that are killed: SIGKILL for the driver, the JVM or a Python worker, at any instant; nothing may be lost.

run ──kill──▶ status works, every table reads whole ──▶ … ──▶ next run ──▶ exactly the rows of an uninterrupted one
 └── meanwhile a reader follows the pointers: it never sees a snapshot in part       └──▶ vacuum ──▶ nothing but it

processes.py starts and kills, checks.py looks; here is what is killed when, and the count.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from catalog.local import LocalCatalog
from catalog.tables import TABLES
from ingestion.samples import write_sample_photos
from tests.torture import processes
from tests.torture.checks import check_lake, check_vacuum, reader
from tests.torture.pace import pace
from tests.torture.processes import VICTIMS, Victim, kill, race, wait_until_gone

LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")


@dataclass(frozen=True)
class Scene:
    """Photos, a lake to be, and the cache with the weights. good photos are stored, bad ones are quarantined."""

    photos: Path
    lake: Path
    cache: Path
    good: int
    bad: int = 1

    @property
    def catalog(self) -> LocalCatalog:
        return LocalCatalog(str(self.lake))

    @property
    def expected(self) -> dict[str, int]:
        """What an uninterrupted run gives."""
        labels = len(LABELS)
        return {
            "bronze.images": self.good,
            "bronze.quarantine": self.bad,
            "silver.image_features": self.good,
            "gold.fruit_vectors": self.good,
            "gold.label_summary": labels,
            "gold.label_similarity": labels * (labels - 1),
            "gold.pca": 1,
            "gold.pca_variance": 1280,
        }


@dataclass
class Killed:
    """kills by victim; late: the run was done, or had no such process, before its kill; looks of the reader."""

    kills: Counter[str] = field(default_factory=Counter)
    late: int = 0
    finished: int = 0
    looks: int = 0
    vacuumed: int = 0
    lost_rows: int = 0

    def __str__(self) -> str:
        by_victim = ", ".join(f"{count} {victim}" for victim, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills survived ({by_victim}; {self.late} came too late), "
            f"{self.finished} lakes finished with {self.lost_rows} lost rows, {self.vacuumed} orphans vacuumed, "
            f"{self.looks:,} looks of a reader, all whole"
        )


def make_scene(folder: Path, cache: Path, per_label: int = 12) -> Scene:
    photos = folder / "photos"
    write_sample_photos(photos, per_label=per_label, size=64, labels=LABELS, workers=1)
    (photos / LABELS[0] / "broken.jpg").write_bytes(b"\xff\xd8\xff cut short")
    return Scene(photos, folder / "lake", cache, per_label * len(LABELS))


def start(scene: Scene, layer: str = "all") -> subprocess.Popen[str]:
    """`fruitlake run` of the scene, in processes of its own."""
    places = ("--images", str(scene.photos), "--lake", str(scene.lake), "--weights", "bundled")
    return processes.start(layer, *places, FRUITLAKE_CACHE=str(scene.cache), FRUITLAKE_MAX_QUARANTINE_SHARE="1")


def finish(scene: Scene, killed: Killed) -> None:
    """The next run completes what is missing; then vacuum takes all orphans and nothing else."""
    run = start(scene)
    said = wait_until_gone(run)
    assert run.returncode == 0, said
    check_finished(scene, killed)


def check_finished(scene: Scene, killed: Killed) -> None:
    check_lake(scene.catalog)
    rows = {table: s.rows for table in TABLES if (s := scene.catalog.current(table))}
    killed.lost_rows += sum(abs(scene.expected[table] - rows.get(table, 0)) for table in TABLES)
    assert rows == scene.expected
    vacuumed = check_vacuum(scene.catalog)
    killed.vacuumed += len(vacuumed.folders) + len(vacuumed.leftovers)
    killed.finished += 1


def kill_once(scene: Scene, victim: Victim, delay: float, killed: Killed, once: Path | None = None) -> bool:
    """One run, killed `delay` seconds after its start, or after `once` has appeared. True if it ended whole."""
    run = start(scene)
    with reader(scene.catalog) as looks:
        while once is not None and run.poll() is None and not once.exists():
            time.sleep(0.005)
        deadline = time.monotonic() + delay
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        hit = kill(run, victim)
        while not hit and victim == "worker" and run.poll() is None:  # the next one that appears
            time.sleep(0.02)
            hit = kill(run, victim)
        said = wait_until_gone(run)
    killed.looks += len(looks)
    if hit:
        killed.kills[victim] += 1
    else:
        killed.late += 1
    assert run.returncode == 0 or "Traceback" not in said[1], said
    check_lake(scene.catalog)
    return run.returncode == 0


def kill_many(count: int, seed: int, folder: Path, cache: Path, say: Callable[[str], None]) -> Killed:
    """Kill until so many kills have hit; a lake whose run gets through is finished, and a new one begun."""
    chance, killed = random.Random(seed), Killed()
    scene = make_scene(folder, cache)
    say("an uninterrupted run, to compare with")
    begun = time.monotonic()
    finish(scene, Killed())
    whole = time.monotonic() - begun  # how long an uninterrupted run takes
    say("two runs at once")
    scene = replace(scene, lake=folder / "raced lake")
    race([start(scene), start(scene)])
    finish(scene, killed)
    begun = time.monotonic()
    number = 0
    while killed.kills.total() < count:
        number += 1
        scene = replace(scene, lake=folder / f"lake {number}")
        for _ in range(chance.randint(1, 4)):
            victim, table = chance.choice(VICTIMS), chance.choice(list(TABLES))
            written = scene.lake / table.replace(".", "/")
            if written.exists():  # another run on this lake: any instant after Spark has begun to start
                done = kill_once(scene, victim, chance.uniform(0.2, 1) * whole, killed)
            else:  # while the table is written, audited or published, or soon after
                done = kill_once(scene, victim, chance.uniform(0, 2), killed, once=written)
            say(f"{killed}; {pace(killed.kills.total(), count, time.monotonic() - begun)}")
            if done:
                break
        finish(scene, killed)
    return killed
