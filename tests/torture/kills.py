"""Kill runs with SIGKILL, in the driver, the JVM or a Python worker, at any moment; nothing may be lost.

run ──kill──▶ status works, every table is readable ──▶ … ──▶ next run ──▶ exactly the rows of an uninterrupted run
 └── meanwhile PyIceberg and DuckDB read: only complete, audited snapshots      └──▶ vacuum ──▶ no other files

processes.py starts and kills processes, checks.py checks the lake; this module decides what to kill when, and counts.
"""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bootstrap.settings import Settings, load
from catalog.lake import Lake, open_lake
from catalog.tables import TABLES
from ingestion.samples import write_sample_photos
from tests.torture import processes
from tests.torture.checks import check_lake, check_vacuum, reader
from tests.torture.pace import pace
from tests.torture.processes import VICTIMS, Victim, kill, race, wait_until_gone

LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")


@dataclass(frozen=True)
class Scene:
    """Photos, the path of a lake, and the cache with the weights. good, bad: photos to be stored and quarantined."""

    photos: Path
    lake: Path
    cache: Path
    good: int
    bad: int = 1

    @property
    def tables(self) -> Lake:
        return open_lake(str(self.lake))

    @property
    def settings(self) -> Settings:
        return load(lake=str(self.lake), cache=self.cache)

    @property
    def expected(self) -> dict[str, int]:
        """Rows per table after an uninterrupted run, except gold.label_suspects, which depends on the photos."""
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
    """Statistics. kills: by victim; late: kills that found no such process any more; looks: reads by the reader."""

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
            f"{self.looks:,} looks of readers (PyIceberg and DuckDB), all at whole and audited versions"
        )


def make_scene(folder: Path, cache: Path, per_label: int = 12) -> Scene:
    photos = folder / "photos"
    write_sample_photos(photos, per_label=per_label, labels=LABELS)
    (photos / LABELS[0] / "broken.jpg").write_bytes(b"\xff\xd8\xff cut short")
    return Scene(photos, folder / "lake", cache, per_label * len(LABELS))


def start(scene: Scene, layer: str = "all") -> subprocess.Popen[str]:
    """Start `fruitlake run` on the scene, in its own processes."""
    places = ("--images", str(scene.photos), "--lake", str(scene.lake), "--weights", "bundled")
    return processes.start(layer, *places, FRUITLAKE_CACHE=str(scene.cache), FRUITLAKE_MAX_QUARANTINE_SHARE="1")


def finish(scene: Scene, killed: Killed) -> None:
    """Check that the next run completes what is missing, and that vacuum then removes all orphans and nothing else."""
    run = start(scene)
    said = wait_until_gone(run)
    assert run.returncode == 0, said
    check_finished(scene, killed)


def check_finished(scene: Scene, killed: Killed) -> None:
    check_lake(scene.tables)
    rows = {table: version.rows for table, version in scene.tables.current_snapshots().items()}
    killed.lost_rows += sum(abs(wanted - rows.get(table, 0)) for table, wanted in scene.expected.items())
    assert rows.keys() == TABLES.keys()
    assert rows == rows | scene.expected
    vacuumed = check_vacuum(scene.settings)
    killed.vacuumed += len(vacuumed.orphans) + len(vacuumed.leftovers)
    killed.finished += 1


def kill_once(scene: Scene, victim: Victim, delay: float, killed: Killed, once: Path | None = None) -> bool:
    """Kill a run `delay` seconds after its start, or after the path `once` appears. True if it succeeded anyway."""
    run = start(scene)
    with reader(str(scene.lake)) as looks:
        while once is not None and run.poll() is None and not once.exists():
            time.sleep(0.005)
        deadline = time.monotonic() + delay
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        hit = kill(run, victim)
        while not hit and victim == "worker" and run.poll() is None:  # wait for the next worker
            time.sleep(0.02)
            hit = kill(run, victim)
        said = wait_until_gone(run)
    killed.looks += len(looks)
    if hit:
        killed.kills[victim] += 1
    else:
        killed.late += 1
    assert run.returncode == 0 or "Traceback" not in said[1], said
    check_lake(scene.tables)
    return run.returncode == 0


def kill_many(count: int, seed: int, folder: Path, cache: Path, say: Callable[[str], None]) -> Killed:
    """Kill runs until this many kills have hit. Each lake gets a few, then a final run and the last checks."""
    chance, killed = random.Random(seed), Killed()
    scene = make_scene(folder, cache)
    say("an uninterrupted run, to compare with")
    begun = time.monotonic()
    finish(scene, Killed())
    whole = time.monotonic() - begun  # duration of an uninterrupted run
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
            if written.exists():  # not the first run on this lake: any moment from the start of Spark on
                done = kill_once(scene, victim, chance.uniform(0.2, 1) * whole, killed)
            else:  # while the table is written, audited or published, or shortly afterwards
                done = kill_once(scene, victim, chance.uniform(0, 2), killed, once=written)
            say(f"{killed}; {pace(killed.kills.total(), count, time.monotonic() - begun)}")
            if done:
                break
        finish(scene, killed)
    return killed
