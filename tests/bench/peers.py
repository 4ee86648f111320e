"""`make bench-peers`: whole processes by the clock, every start included: `fruitlake run` against Daft.

    python -m tests.bench.peers --photos 3000 --weights imagenet

Daft goes from a folder to features in Parquet. Fruitlake also checks, deduplicates, audits, fits the PCA and reports.
Both run the same ONNX file in fp32; in int8 only Fruitlake.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bootstrap.settings import load
from catalog.errors import FruitlakeError, RunError
from tests.bench.photos import link_photos, sample_or_users_photos
from tests.bench.report import Report
from transforms.weights import prepare

_LAKE = "from bootstrap.cli import main; main()"


def main() -> None:
    """Measure, show the figures, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3000, metavar="N", help="how many photos")
    parser.add_argument("--images", metavar="FOLDER", help="a local folder of JPEGs to measure with")
    parser.add_argument("--weights", default="bundled", metavar="NAME|FILE", help="imagenet, bundled, or a file")
    parser.add_argument("--json", type=Path, default=Path("bench-peers.json"), metavar="FILE")
    args = parser.parse_args()
    settings, report = load(images=args.images, weights=args.weights), Report(args.photos)
    with TemporaryDirectory(prefix="fruitlake-peers-") as work:
        photos = link_photos(sample_or_users_photos(settings, args.photos, args.photos), Path(work) / "photos")
        model = prepare(args.weights, "onnx", settings.cache, str(Path(work) / "models")).uri
        theirs = _seconds("-m", "tests.bench.daft_run", str(photos), model, str(Path(work) / "daft"))
        report.add("Daft", f"{theirs:.1f} s")
        few = args.photos < 10_000  # what a run costs whatever the number of photos weighs more
        for precision, goal in {"fp32": 2.2 if few else 1.25, "int8": 2.2 if few else 0.75}.items():
            given = ("--images", str(photos), "--weights", args.weights, "--precision", precision)
            ours = _seconds("-c", _LAKE, "run", *given, "--lake", str(Path(work) / precision))
            report.add(f"fruitlake run in {precision}", f"{ours:.1f} s", ours / theirs, "x Daft", goal, True)
    report.show(Console())
    report.write(args.json)


def _seconds(*arguments: str) -> float:
    """Seconds of a Python process. Raises RunError with what it said last if it fails."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["it said nothing"]
        raise RunError(f"{arguments[1]} failed: {said[-1][:300]}")
    return time.monotonic() - started


if __name__ == "__main__":
    try:
        main()
    except FruitlakeError as error:
        sys.exit(f"error: {error}")
