"""Files that are added, deleted, moved and copied: every run agrees with a simple model of the rules."""

import os
import random
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from ingestion.admission import image_id_of
from tests.ingestion.test_bronze import Pass, counts, ingest
from tests.photos import photo

LABELS = ("Apple", "Kiwi", "Pear")
FILES = {seed: photo(seed, "PNG") for seed in range(8)}  # PNGs of noise, some with equal sizes
BAD = b"bad"


def change(rng: random.Random, root: Path, step: int) -> None:
    """Add, copy, move, rename, replace, touch or delete some files."""
    for number in range(12):
        target = root / rng.choice(LABELS) / f"{rng.choice('abcdef')}.png"
        there = sorted(p for p in root.rglob("*.png"))
        data = rng.choice([*FILES.values(), BAD])
        target.parent.mkdir(parents=True, exist_ok=True)
        match rng.choice(("add", "copy", "move", "delete", "touch")):
            case "copy" if there:
                target.write_bytes(rng.choice(there).read_bytes())
            case "move" if there:
                rng.choice(there).replace(target)
            case "delete" if there:
                rng.choice(there).unlink()
                continue
            case "touch" if there:
                target = rng.choice(there)
            case _:
                target.write_bytes(data)
        os.utime(target, (0, 1_000_000_000 + 100 * step + number))  # so that each change is a new version


class Expected:
    """A model of the lake: the rules of ingestion/placement.py, applied file by file."""

    def __init__(self) -> None:
        self.photos: dict[str, tuple[str, str, tuple[object, ...]]] = {}  # label, path, version of the file

    def next(self, root: Path) -> dict[str, int]:
        fates = dict.fromkeys(("stored", "known", "relabelled", "quarantined", "conflicts"), 0)
        fresh: dict[str, list[tuple[str, str, tuple[object, ...]]]] = {}
        files_now: list[tuple[str, tuple[object, ...]]] = []
        known = {version for _, _, version in self.photos.values()}
        for path in sorted(map(str, root.rglob("*.png"))):
            data, stat = Path(path).read_bytes(), os.stat(path)
            version = (path, stat.st_size, stat.st_mtime)
            files_now.append((path, version))
            if data == BAD:
                fates["quarantined"] += 1
            elif version in known:
                fates["known"] += 1
            else:
                fresh.setdefault(image_id_of(data), []).append((Path(path).parent.name, path, version))
        for image_id, files in fresh.items():
            label = self.photos[image_id][0] if image_id in self.photos else None
            if label is None:
                first, fate = files[0], "stored"
            elif self.photos[image_id] in [(label, *file) for file in files_now]:
                first, fate = self.photos[image_id], None
            else:  # the photo has moved, or its file was rewritten
                first = next((f for f in files if f[0] == label), files[0])
                fate = "known" if first[0] == label else "relabelled"
            self.photos[image_id] = first
            for file in files:
                fates[fate if file is first and fate else "known" if file[0] == first[0] else "conflicts"] += 1
        return fates


@pytest.mark.parametrize("seed", range(int(os.environ.get("FRUITLAKE_TEST_TREES", "1"))))
def test_every_file_has_the_fate_that_the_rules_say(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    rng, expected = random.Random(seed), Expected()
    lake = Pass([], [], counts())
    for step in range(4):
        change(rng, tmp_path, step)
        done = ingest(spark, tmp_path, lake)
        assert done.counts == counts(**expected.next(tmp_path)), f"step {step}"
        moved = {row.image_id: row.asDict() for row in done.corrections}
        images = [Row(**row.asDict() | moved.get(row.image_id, {})) for row in [*lake.images, *done.images]]
        lake = Pass(images, [*lake.quarantine, *done.quarantine], done.counts)
        found = {row.image_id: (row.label, row.source_path) for row in images}
        assert found == {image_id: photo[:2] for image_id, photo in expected.photos.items()}, f"step {step}"
