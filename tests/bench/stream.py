"""Feed photos to a running stream, and report how far behind it is, how long its batches take, and its memory.

python -m tests.bench.stream                          30 minutes of 10 photos per second
python -m tests.bench.stream --minutes 5 --every 20   groups of 20, each of which arrives after the last was published

A lake of 2,000 photos is built first. At the end, every photo must be in gold exactly once.
"""

import argparse
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.compute as pc
from rich.console import Console

from bootstrap.pipeline import build
from bootstrap.reporting import report_run
from bootstrap.settings import load
from catalog.lake import open_lake
from catalog.scan import dataset
from tests.bench.photos import sample_or_users_photos
from tests.torture.processes import processes, start

_FIRST = 2_000  # photos that the lake has before
_WARM = 6  # batches after the start that are not reported: the first ones find the photos that the lake has
_PARTS = 6  # of the time, to show whether anything grows


def main() -> None:
    """Measure, print the figures, and check the lake."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--group", type=int, default=20, metavar="N", help="photos that arrive at once")
    asked.add_argument("--every", type=float, default=2, metavar="SECONDS", help="time between two groups")
    asked.add_argument("--marts-every", type=float, default=600, metavar="SECONDS", help="as of `fruitlake stream`")
    given = asked.parse_args()
    settings, groups = load(weights="bundled"), round(given.minutes * 60 / given.every)
    files = sample_or_users_photos(settings, _FIRST, _FIRST + groups * given.group)
    with TemporaryDirectory(prefix="fruitlake-bench-") as folder:
        work = Path(folder)
        photos, lake, metrics = work / "photos", work / "lake", work / "batches.jsonl"
        arrive(files[:_FIRST], photos)
        run = build(settings.model_copy(update={"images": str(photos), "lake": str(lake)}), "all", Console(quiet=True))
        report_run(run, Console(quiet=True))
        run.spark.stop()
        options = ("--images", photos, "--lake", lake, "--metrics", metrics, "--marts-every", given.marts_every)
        stream = start(*map(str, options), "--weights", "bundled", what="stream")
        began, memory = time.time(), list[float]()
        for number in range(groups):
            first = _FIRST + number * given.group
            arrive(files[first : first + given.group], photos)
            memory.append(sum(map(resident, processes(stream))))
            time.sleep(max(0, began + (number + 1) * given.every - time.time()))
        wait_for(metrics, len(files))
        stream.send_signal(signal.SIGTERM)
        said, failed = stream.communicate(timeout=120)
        assert stream.returncode == 0, failed or said
        show(list(batches(metrics)), memory)
        ids = dataset(open_lake(str(lake)), "gold.fruit_vectors").to_table(["image_id"])["image_id"]
        there, different = len(ids), pc.count_distinct(ids).as_py()
        print(f"gold has {there:,} photos, {different:,} different ones, of {len(files):,}")
        assert there == different == len(files)


def arrive(files: list[Path], photos: Path) -> None:
    """Copy photos beside the source, then rename them into their labels' folders."""
    for number, file in enumerate(files):
        (photos / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, photos.parent / "arriving")
        (photos.parent / "arriving").rename(photos / file.parent.name / f"{time.time_ns()}-{number}{file.suffix}")


def wait_for(metrics: Path, photos: int) -> None:
    """Wait until batches have taken this many photos. Raises TimeoutError."""
    deadline = time.monotonic() + 300
    while sum(batch["files"] for batch in batches(metrics)) < photos:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the stream has not taken {photos:,} photos")
        time.sleep(1)


def batches(metrics: Path) -> Iterator[dict[str, Any]]:
    """The figures of the stream's batches so far."""
    if metrics.exists():
        yield from map(json.loads, metrics.read_text().splitlines())


def resident(process: int) -> float:
    """Resident memory of a process in MB, without pages shared with files; 0 if it has ended."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def show(taken: list[dict[str, Any]], memory: list[float]) -> None:
    """Print medians over all batches, and by part of the time."""
    taken = taken[_WARM:]
    behind, seconds = (median(batch[name] for batch in taken) for name in ("seconds_behind", "seconds"))
    print(f"{len(taken):,} batches: median {behind:.1f} s behind, {seconds:.1f} s per batch")
    for part in range(_PARTS):
        some = taken[len(taken) * part // _PARTS : len(taken) * (part + 1) // _PARTS]
        used = memory[len(memory) * part // _PARTS : len(memory) * (part + 1) // _PARTS]
        if some and used:
            seconds, photos = (median(batch[name] for batch in some) for name in ("seconds", "files"))
            print(f"part {part + 1}: {seconds:.1f} s per batch of {photos:.0f} photos, {median(used):,.0f} MB")


if __name__ == "__main__":
    main()
