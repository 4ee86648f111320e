"""Run over photos as large as cameras make them, with as little memory as a machine may have.

    photos of 4, 20 and 64 MB ──▶ fruitlake run, default settings, in a control group of 4 or 24 GiB ──▶ peak memory

python -m tests.torture.large --memory 4 24 --slots 0 8

Control groups need root on Linux (version 1 or 2); without them the machine's own memory is the limit.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from catalog.lake import open_lake
from tests.bench.photos import LARGEST, PHONE, noisy_photos
from tests.torture.processes import RUN_AT_MOST, start

_GIB = 1024**3
_GROUPS = {Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes", Path("/sys/fs/cgroup"): "memory.max"}
_PEAKS = ("memory.max_usage_in_bytes", "memory.peak")


CASES = {
    "48 of 4 MB": (48, PHONE, 4.0, 90),
    "60 of 4 MB": (60, PHONE, 4.0, 90),
    "200 of 4 MB": (200, PHONE, 4.0, 90),
    "40 of 20 MB": (40, PHONE, 20.0, 96),
    "one at the limit": (2, LARGEST, 25.0, 99),
}


@contextmanager
def limited(memory: int) -> Iterator[Path | None]:
    """A control group of so many bytes, for processes that join it; None where there can be none."""
    for root, limit in _GROUPS.items():
        group = root / f"fruitlake-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(memory))
        except OSError:
            continue
        try:
            yield group
        finally:
            _remove(group)
        return
    yield None


def _remove(group: Path) -> None:
    """Remove a control group once it is empty: Java and Python's workers end a little after the run."""
    for _ in range(300):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"after 30 s {group} still has processes: {(group / 'cgroup.procs').read_text().split()}")


def trial(photos: Path, lake: Path, memory: int, slots: int) -> str:
    """What became of one run. Raises AssertionError with what it said if it failed or lost a photo."""
    expected = sum(1 for _ in photos.rglob("*.jpg"))
    given = {"FRUITLAKE_MASTER": f"local[{slots}]"} if slots else {}
    with limited(memory) as group:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))  # and so what is started here
        started = time.monotonic()
        run = start("--images", str(photos), "--lake", str(lake), "--weights", "bundled", **given)
        try:
            said, failed = run.communicate(timeout=2 * RUN_AT_MOST)
        finally:
            seconds = time.monotonic() - started
            if group is not None:
                (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        peak = next((int((group / p).read_text()) for p in _PEAKS if group and (group / p).exists()), 0)
        assert run.returncode == 0, f"exit {run.returncode}: {failed[-600:]}"
    vectors = open_lake(str(lake)).current("gold.fruit_vectors")
    assert vectors is not None and vectors.rows == expected, said
    of = f"local[{slots}]" if slots else "default slots"
    limit = f"{memory / _GIB:.0f} GiB" if peak else "no limit (control groups need root)"
    return f"{limit}, {of}: {expected} photos, {seconds:.0f} s, peak {peak / _GIB:.2f} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, nargs="+", default=[4, 24], help="GiB")
    parser.add_argument("--slots", type=int, nargs="+", default=[0], help="task slots; 0: the default")
    args = parser.parse_args()
    failed = 0
    with TemporaryDirectory(prefix="fruitlake-large-") as work:
        for name, (count, size, noise, quality) in CASES.items():
            photos = Path(work) / name
            sizes = noisy_photos(photos, count, size, noise, quality)
            print(f"{name}: {min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.1f} MB", flush=True)
            for memory in args.memory:
                for slots in args.slots:
                    with TemporaryDirectory(dir=work) as lake:
                        try:
                            print("  " + trial(photos, Path(lake) / "lake", memory * _GIB, slots), flush=True)
                        except (AssertionError, subprocess.TimeoutExpired) as error:
                            failed += 1
                            print(f"  {memory} GiB, {slots} slots FAILED: {error}", flush=True)
            for photo in photos.rglob("*.jpg"):
                photo.unlink()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
