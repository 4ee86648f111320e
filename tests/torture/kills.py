"""Runs that are killed: SIGKILL for the driver, the JVM or a Python worker, at any instant; nothing may be lost.

run ──kill──▶ status works, every table reads whole ──▶ … ──▶ next run ──▶ exactly the rows of an uninterrupted one
 └── meanwhile a reader follows the pointers: it never sees a snapshot in part       └──▶ vacuum ──▶ nothing but it

python -m tests.torture.kills 50 [seed]
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot
from catalog.tables import TABLES
from catalog.vacuum import carry_out, plan
from ingestion.samples import write_sample_photos

Victim = Literal["driver", "jvm", "worker"]
VICTIMS: tuple[Victim, ...] = ("driver", "jvm", "worker")
LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")
RUN_AT_MOST = 180  # seconds


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


def start(scene: Scene, *more: str) -> subprocess.Popen[str]:
    """`fruitlake run`, in a session of its own, so that all its processes can be found."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FRUITLAKE_")}
    environment |= {"FRUITLAKE_CACHE": str(scene.cache), "COLUMNS": "200", "FRUITLAKE_MAX_QUARANTINE_SHARE": "1"}
    places = ["--images", str(scene.photos), "--lake", str(scene.lake), "--weights", "bundled", *more]
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", "run", *places]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def processes(run: subprocess.Popen[str]) -> dict[int, str]:
    """Command lines of the run's processes that live, by pid; the session stays theirs when their parents die."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, _, _, session = (folder / "stat").read_text().rsplit(") ", 1)[1].split()[:4]
            if int(session) == run.pid and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return found


def kill(run: subprocess.Popen[str], victim: Victim) -> bool:
    """Kill one of the run's processes; False if there is none of the kind."""
    marks = {"driver": "bootstrap.cli", "jvm": "java", "worker": "daemon"}
    candidates = [pid for pid, command in processes(run).items() if marks[victim] in command.split(" -cp ")[0]]
    if victim == "worker":
        candidates = sorted(candidates)[1:]  # the first one only starts the others
    for pid in candidates[-1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
    return False


def wait_until_gone(run: subprocess.Popen[str]) -> tuple[str, str]:
    """Until none of its processes writes any more. Returns what the run said."""
    said = run.communicate(timeout=RUN_AT_MOST)
    deadline = time.monotonic() + 30
    while processes(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = processes(run)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"still alive 30 s after their run: {left}"
    return said


@contextmanager
def reader(catalog: LocalCatalog) -> Iterator[list[str]]:
    """Reads all tables again and again while a run works; gives the looks it took."""
    stop, looks, wrong = threading.Event(), list[str](), list[str]()

    def read() -> None:
        while not stop.wait(0.2):  # the run needs the processors more
            for table in TABLES:
                try:
                    if (snapshot := catalog.current(table)) is not None:
                        check_whole(catalog, snapshot)
                        looks.append(table)
                except Exception as error:  # noqa: BLE001  # whatever a reader meets is what is looked for
                    wrong.append(f"{table}: {error!r}")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
    assert not wrong, wrong[:3]


def check_whole(catalog: LocalCatalog, snapshot: Snapshot, every_value: bool = False) -> None:
    """Raise AssertionError unless the files hold exactly the snapshot's rows."""
    folders = snapshot.partitions.values() if snapshot.partition_by else [snapshot.location]
    rows = 0
    for folder in folders:
        for file in Path(catalog.lake, folder).glob("*.parquet"):
            rows += pq.read_metadata(file).num_rows
            if every_value:
                pq.read_table(file, partitioning=None).validate(full=True)
    assert rows == snapshot.rows, f"{snapshot.table} {snapshot.id}: {rows} rows in its files, not {snapshot.rows}"


def check_after_kill(scene: Scene) -> None:
    """status works, and every published snapshot, not only the current one, is whole."""
    from rich.console import Console

    from bootstrap.summary import print_status

    print_status(scene.catalog, Console(quiet=True))
    for table in scene.catalog.tables():
        for snapshot in scene.catalog.history(table):
            check_whole(scene.catalog, snapshot, every_value=True)


def finish(scene: Scene, killed: Killed) -> None:
    """The next run completes what is missing; then vacuum takes all orphans and nothing else."""
    run = start(scene)
    said = wait_until_gone(run)
    assert run.returncode == 0, said
    check_finished(scene, killed)


def check_finished(scene: Scene, killed: Killed) -> None:
    check_after_kill(scene)
    rows = {table: s.rows for table in TABLES if (s := scene.catalog.current(table))}
    killed.lost_rows += sum(abs(scene.expected[table] - rows.get(table, 0)) for table in TABLES)
    assert rows == scene.expected
    needed = _needed_files(scene)
    planned = plan(scene.catalog, timedelta.max)
    carry_out(scene.catalog, planned)
    assert plan(scene.catalog, timedelta.max).empty
    assert _needed_files(scene) == needed, "vacuum took what a snapshot needs"
    layers = [p for layer in ("bronze", "silver", "gold") for p in (scene.lake / layer).rglob("*.parquet")]
    assert set(layers) == needed, "vacuum left an orphan"
    assert not list(scene.lake.rglob("*.tmp"))
    killed.vacuumed += len(planned.folders) + len(planned.leftovers)
    killed.finished += 1


def _needed_files(scene: Scene) -> set[Path]:
    snapshots = [s for table in scene.catalog.tables() for s in scene.catalog.history(table)]
    folders = {f for s in snapshots for f in (s.partitions.values() if s.partition_by else [s.location])}
    return {p for folder in folders for p in (scene.lake / folder).glob("*.parquet")}


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
    check_after_kill(scene)
    return run.returncode == 0


def kill_many(count: int, seed: int, folder: Path, cache: Path, say: bool = True) -> Killed:
    """Kill until so many kills have hit; a lake whose run gets through is finished, and a new one begun."""
    chance, killed = random.Random(seed), Killed()
    scene = make_scene(folder, cache)
    begun = time.monotonic()
    finish(scene, Killed())
    whole = time.monotonic() - begun  # how long an uninterrupted run takes
    number = 0
    while killed.kills.total() < count:
        number += 1
        scene = Scene(scene.photos, folder / f"lake {number}", cache, scene.good)
        for _ in range(chance.randint(1, 4)):
            victim, folder_of_a_table = (
                chance.choice(VICTIMS),
                scene.lake / chance.choice(list(TABLES)).replace(".", "/"),
            )
            if folder_of_a_table.exists():  # another run on this lake: any instant after Spark has begun to start
                done = kill_once(scene, victim, chance.uniform(0.2, 1) * whole, killed)
            else:  # while the table is written, audited or published, or soon after
                done = kill_once(scene, victim, chance.uniform(0, 2), killed, once=folder_of_a_table)
            if say:
                print(killed, flush=True)
            if done:
                break
        finish(scene, killed)
    return killed
