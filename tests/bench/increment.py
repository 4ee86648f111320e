"""Compare adding photos to a large lake with adding the same photos to an empty one, without the marts.

    synthetic rows ──PyIceberg──▶ bronze, silver and gold of N photos ─┐
    nothing ───────────────────────────────────────────────────────────┴──▶ + 1,000 photos: silver and gold, timed

python -m tests.bench.increment --rows 1000000
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from rich.console import Console

from bootstrap.pipeline import build
from bootstrap.session import start
from bootstrap.settings import Settings, load
from catalog.compaction import compact
from catalog.lake import Lake
from catalog.scan import dataset
from catalog.tables import FRUIT_VECTORS, IMAGE_FEATURES, IMAGES, PCA, TABLES
from ingestion.samples import write_sample_photos
from tests.bench.photos import link_photos, repeat_samples, usable_photos
from tests.bench.report import Report
from tests.bench.scale import LABELS
from transforms.arrow import from_matrix

_PHOTOS = 1000
_FIRST_PHOTOS = 100  # to warm up the JVM; not measured
_ROWS_PER_BATCH = 50_000  # one snapshot per batch, as if each had been added by a run of its own
_TIMED = (IMAGE_FEATURES.name, PCA.name, FRUIT_VECTORS.name)
_QUIET = Console(quiet=True)


def measure(settings: Settings, rows: int, work: Path, console: Console) -> Report:
    """Time silver and gold for the same photos, in an empty lake and in one with this many rows."""
    samples = settings.cache / "sample-photos"
    write_sample_photos(samples)
    files = usable_photos(str(repeat_samples(samples, settings.cache / "bench-photos", _PHOTOS)), _PHOTOS, _PHOTOS)
    few, photos = link_photos(files[:_FIRST_PHOTOS], work / "few"), link_photos(files, work / "photos")
    given = settings.model_copy(update={"weights": "bundled"})
    add_photos(given.model_copy(update={"images": str(few), "lake": str(work / "first")}))
    console.print(f"an empty lake: {_PHOTOS:,} photos")
    empty = given.model_copy(update={"images": str(photos), "lake": str(work / "empty")})
    before = add_photos(empty)
    console.print(f"a lake of {rows:,} made-up photos")
    large = empty.model_copy(update={"lake": str(work / "large")})
    fill(large.open_lake(), empty.open_lake(), rows)
    compact(start(large, large.open_lake()), large.open_lake(), FRUIT_VECTORS.name)  # as `fruitlake vacuum` does
    console.print(f"and {_PHOTOS:,} more")
    after = add_photos(large)
    report = Report(rows, "rows there already")
    for table in _TIMED:
        report.add(table, f"{after[table]:.1f} s, on an empty lake {before[table]:.1f} s")
    ratio = sum(after.values()) / sum(before.values())
    report.add(f"{_PHOTOS:,} photos more", f"{sum(after.values()):.1f} s", ratio, "x on an empty lake", 2, True)
    return report


def add_photos(settings: Settings) -> dict[str, float]:
    """Run every layer; returns seconds per table of silver and gold, without the marts."""
    outcomes = build(settings, "all", _QUIET).outcomes
    assert outcomes[FRUIT_VECTORS.name].new
    return {table: outcomes[table].seconds for table in _TIMED}


def fill(lake: Lake, like: Lake, rows: int) -> None:
    """Append this many synthetic rows to the lake in batches, with the PCA of another lake."""
    pca = dataset(like, PCA.name).to_table()
    current = like.current(PCA.name)
    assert current is not None
    facts = {name: current.properties[name] for name in ("model_id", "pca_id")} | {"audit_result": "passed"}
    append(lake, PCA.name, pca, facts)
    k = pca["k"][0].as_py()
    for number, first in enumerate(range(0, rows, _ROWS_PER_BATCH)):
        ids = np.arange(first, min(first + _ROWS_PER_BATCH, rows))
        for name in (IMAGES.name, IMAGE_FEATURES.name, FRUIT_VECTORS.name):
            append(lake, name, _rows(name, ids, f"made-up-{number}", facts, k), facts)


def append(lake: Lake, name: str, rows: pa.Table, facts: dict[str, str]) -> None:
    lake.create(TABLES[name])
    table = lake.load(name)
    assert table is not None
    table.append(rows, snapshot_properties={f"fruitlake.{fact}": value for fact, value in facts.items()})


def _rows(name: str, ids: np.ndarray, batch: str, facts: dict[str, str], k: int) -> pa.Table:
    """Synthetic rows of bronze.images, silver.image_features or gold.fruit_vectors, all with the same numbers."""
    same = dict(_constants(batch, facts))
    columns = {
        "image_id": pa.array([f"{i:064x}" for i in ids]),
        "label": pa.array([f"Variety {i % LABELS}" for i in ids]),
        "source_path": pa.array([f"/made-up/{i}.jpg" for i in ids]),
        "features": from_matrix(np.full((len(ids), 1280), 0.5, np.float32)),
        "vector": from_matrix(np.full((len(ids), k), 0.5, np.float32)),
    }
    schema = TABLES[name].arrow_schema
    return pa.table(
        [
            columns.get(f.name, pa.repeat(same[f.name], len(ids)) if f.name in same else pa.nulls(len(ids))).cast(
                f.type
            )
            for f in schema
        ],
        schema=schema,
    )


def _constants(batch: str, facts: dict[str, str]) -> Iterator[tuple[str, object]]:
    yield from facts.items()
    yield from {"batch": batch, "content": b"", "feature_norm": float(np.sqrt(1280) / 2)}.items()
    yield from {"width": 100, "height": 100, "size": 4000}.items()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="made-up photos that the lake holds before")
    args = parser.parse_args()
    with TemporaryDirectory(prefix="fruitlake-increment-") as work:
        measure(load(), args.rows, Path(work), Console()).show(Console())


if __name__ == "__main__":
    main()
