"""`make torture`: mutated photos, killed runs, and their figures.

python -m tests.torture [--photos 20000] [--kills 50] [--seed 0]     progress on stderr, figures on stdout
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bootstrap.settings import load
from tests.torture.kills import kill_many
from tests.torture.photos import try_photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000, help="mutated files to try")
    parser.add_argument("--kills", type=int, default=50, help="kills to survive")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other mutants and other instants")
    args = parser.parse_args()
    if args.photos:
        print(try_photos(args.photos, args.seed, progress), flush=True)
    if args.kills:
        with tempfile.TemporaryDirectory(prefix="fruitlake-kills-") as folder:
            print(kill_many(args.kills, args.seed, Path(folder), load().cache, progress), flush=True)


def progress(text: str) -> None:
    """On stderr: stdout has the figures alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
