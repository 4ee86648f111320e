"""Measure the accuracy of `identify` on held-out photos, and on varieties that are not in the lake.

python -m tests.bench.identify --photos FOLDER --weights FILE [--held-out 500] [--strange 3] [--seed 0]
"""

import argparse
import random
import tempfile
from pathlib import Path

from rich.console import Console

from bootstrap import settings
from bootstrap.pipeline import build
from transforms.identify import Identification, Identifier, open_identifier


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--photos", type=Path, required=True, help="one folder per variety")
    asked.add_argument("--weights", required=True)
    asked.add_argument("--held-out", type=int, default=500, help="photos of known varieties")
    asked.add_argument("--strange", type=int, default=3, help="varieties")
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    chance = random.Random(given.seed)
    folders = sorted(folder for folder in given.photos.iterdir() if folder.is_dir())
    strange = chance.sample(folders, given.strange)
    known = [photo for folder in folders if folder not in strange for photo in sorted(folder.iterdir())]
    held_out = set(chance.sample(known, given.held_out))
    with tempfile.TemporaryDirectory() as work:
        images, lake = Path(work) / "photos", Path(work) / "lake"
        for photo in known:
            if photo not in held_out:
                (images / photo.parent.name).mkdir(parents=True, exist_ok=True)
                (images / photo.parent.name / photo.name).symlink_to(photo)
        chosen = settings.load(images=str(images), lake=str(lake), weights=given.weights)
        build(chosen, "all", Console(stderr=True))
        identifier = open_identifier(chosen.open_lake())
        of_known = {photo: _identify(identifier, photo) for photo in held_out}
        of_strange = [_identify(identifier, photo) for folder in strange for photo in sorted(folder.iterdir())]
    right = sum(found.label == photo.parent.name for photo, found in of_known.items())
    unlike = sum(found.unlike for found in of_known.values())
    found_strange = sum(found.unlike for found in of_strange)
    print(f"lake: {len(known) - len(held_out):,} photos of {len(folders) - len(strange)} varieties; {identifier.basis}")
    print(f"held-out photos with the right label: {right} of {len(held_out)} = {right / len(held_out):.3f}")
    print(f"held-out photos called unlike anything: {unlike} of {len(held_out)} = {unlike / len(held_out):.3f}")
    print(
        f"photos of {', '.join(folder.name for folder in strange)} called unlike anything: "
        f"{found_strange} of {len(of_strange)} = {found_strange / len(of_strange):.3f}"
    )


def _identify(identifier: Identifier, photo: Path) -> Identification:
    return identifier.identify(photo.read_bytes(), 1)


if __name__ == "__main__":
    main()
