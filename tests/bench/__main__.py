"""`make bench`: compare the pipeline with the machine's limit and with alternatives. Takes minutes.

    python -m tests.bench                          the table of the README, at N = 3,000 photos and at 4N
    python -m tests.bench --photos 5672 --full     at another N, and also at 16N
    python -m tests.bench --scale 2000000          only the PCA and gold, on synthetic features

By default, it uses the sample photos, repeated, and the bundled weights.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bootstrap.session import start
from bootstrap.settings import load
from catalog.errors import FruitlakeError
from tests.bench.run import Bench
from tests.bench.scale import measure


def main() -> None:
    """Measure, show the figures, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3000, metavar="N", help="how many photos N is, at least 100")
    parser.add_argument("--images", metavar="FOLDER", help="a local folder of photos to measure with")
    parser.add_argument("--weights", default="bundled", metavar="NAME|FILE", help="imagenet, bundled, or a file")
    parser.add_argument("--full", action="store_true", help="measure growth at 16N, too")
    parser.add_argument("--scale", type=int, metavar="ROWS", help="only PCA and gold, on so many made-up features")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="where the figures go")
    args = parser.parse_args()
    if args.photos < 100 or (args.scale is not None and args.scale < 1000):
        parser.error("--photos takes 100 or more, --scale 1000 or more")
    settings, console = load(images=args.images, weights=args.weights), Console()
    with TemporaryDirectory(prefix="fruitlake-bench-") as work:
        if args.scale:
            report = measure(start(settings, settings.open_lake()), args.scale, settings.variance, Path(work))
        else:
            report = Bench(settings, args.photos, args.full, Path(work), console).run()
    report.show(console)
    report.write(args.json)


if __name__ == "__main__":
    try:
        main()
    except FruitlakeError as error:
        sys.exit(f"error: {error}")
