"""`make torture`: try mutated photos, killed runs and random histories, and print statistics.

python -m tests.torture [--photos 20000] [--kills 50] [--stream-kills 20] [--histories 10] [--seed 0]

Progress goes to stderr, statistics to stdout.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bootstrap.settings import load
from tests.expectations.histories import try_histories
from tests.torture.kills import kill_many
from tests.torture.photos import try_photos
from tests.torture.streams import kill_streams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000, help="mutated files to try")
    parser.add_argument("--kills", type=int, default=50, help="kills to survive")
    parser.add_argument("--stream-kills", type=int, default=20, help="kills of a stream to survive")
    parser.add_argument("--histories", type=int, default=10, help="random histories of a lake to try")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other mutants and other instants")
    args = parser.parse_args()
    if args.photos:
        print(try_photos(args.photos, args.seed, progress), flush=True)
    if args.kills:
        with tempfile.TemporaryDirectory(prefix="fruitlake-kills-") as folder:
            print(kill_many(args.kills, args.seed, Path(folder), load().cache, progress), flush=True)
    if args.stream_kills:
        with tempfile.TemporaryDirectory(prefix="fruitlake-kills-") as folder:
            print(kill_streams(args.stream_kills, args.seed, Path(folder), load().cache, progress), flush=True)
    if args.histories:
        try_histories(load().cache, args.histories, steps=25)
        print(f"{args.histories} histories of up to 25 steps: each snapshot kept had the audit of its own rows")


def progress(text: str) -> None:
    """Print progress to stderr; stdout has only the statistics."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
