"""Search a lake for what an erasure must remove, and compare what is left with what SQL and numpy compute."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bootstrap.erasing import erase_photos
from bootstrap.session import log_file
from catalog.erasure_scope import Selection, find
from catalog.maintenance import VacuumPlan, plan
from expectations.report.thumbnails import _thumbnail
from tests.lakes import Lake
from transforms.dbt import artifacts_folder

LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")
QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Photo:
    image_id: str
    path: str
    content: bytes


def photos(lake: Lake, label: str) -> list[Photo]:
    """Stored photos of the label, from both batches; 4 to 7 are from the second."""
    rows = lake.rows("bronze.images", "image_id", "label", "source_path", "content")
    return sorted(
        (Photo(r["image_id"], r["source_path"], r["content"]) for r in rows if r["label"] == label),
        key=lambda p: p.path,
    )


def texts(lake: Lake) -> Iterable[tuple[Path, bytes]]:
    """Every file of lake and cache, with its bytes and its decompressed content."""
    logs = artifacts_folder(lake.cache, str(lake.path))
    for file in (*lake.path.rglob("*"), *logs.rglob("*"), log_file(lake.settings())):
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".parquet":
            data += repr(pq.read_table(file, partitioning=None).to_pydict()).encode()
        elif file.suffix == ".avro":
            with file.open("rb") as manifest:
                reader = fastavro.reader(manifest)
                data += repr((dict(reader.metadata), list(reader))).encode()
        elif data.startswith(b"\x1f\x8b"):
            data += gzip.decompress(data)
        yield file, data


def traces(lake: Lake, photo: Photo) -> dict[str, list[str]]:
    """Files of lake and cache that contain traces of the photo, by kind of trace."""
    thumbnail = _thumbnail(photo.content)
    assert thumbnail is not None
    looked_for = {
        "bytes": photo.content[len(photo.content) // 2 :][:48],
        "id": photo.image_id.encode(),
        "short id": f'"{photo.image_id[:8]}"'.encode(),  # in the report's map
        "path": photo.path.encode(),
        "thumbnail": base64.b64encode(thumbnail)[-120:-20],
    }
    found: dict[str, list[str]] = {name: [] for name in looked_for}
    for file, data in texts(lake):
        for name, needle in looked_for.items():
            if needle in data:
                found[name].append(file.name)
    return found


def naming(lake: Lake, label: str) -> list[str]:
    """Files and folders of the lake with the label in their name or content."""
    named = [str(path) for path in lake.path.rglob("*") if label in path.name]
    return named + [str(file) for file, data in texts(lake) if label.encode() in data or repr(label).encode() in data]


def counts(lake: Lake) -> dict[str, int]:
    return {name: snapshot.rows for name, snapshot in lake.tables.current_snapshots().items()}


def carry_out(lake: Lake, selection: Selection, refit: bool = False, block: bool = False) -> Path:
    tables = lake.tables
    with tables.exclusive():
        found = find(tables, selection, "asked for it", refit, block)
        return Path(erase_photos(lake.settings(), tables, found, QUIET))


def planned(lake: Lake) -> VacuumPlan:
    with lake.open() as run:
        return plan(run.spark, run.lake, timedelta(0))


def check_marts(lake: Lake) -> None:
    """Check that the marts match what numpy computes from the vectors."""
    vectors, centroids = lake.rows("gold.fruit_vectors"), {}
    for row in lake.rows("gold.label_summary"):
        mine = np.array([v["vector"] for v in vectors if v["label"] == row["label"]], dtype=np.float64)
        centroids[row["label"]] = mine.mean(axis=0)
        assert row["photos"] == len(mine)
        assert row["share"] == pytest.approx(len(mine) / len(vectors))
        np.testing.assert_allclose(row["centroid"], centroids[row["label"]], atol=1e-12)
        spread = np.sqrt(((mine - centroids[row["label"]]) ** 2).sum(axis=1).mean())
        assert row["spread"] == pytest.approx(spread, abs=1e-9)
    assert set(centroids) == {v["label"] for v in vectors}
    similar = {(r["label"], r["other_label"]): r for r in lake.rows("gold.label_similarity")}
    assert set(similar) == {(a, b) for a in centroids for b in centroids if a != b}
    for (one, other), row in similar.items():
        a, b = centroids[one], centroids[other]
        assert row["cosine"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
    for label in centroids:
        ranked = sorted((r for (a, _), r in similar.items() if a == label), key=lambda r: r["rank"])
        assert [r["rank"] for r in ranked] == list(range(1, len(centroids)))
        assert [r["cosine"] for r in ranked] == sorted((r["cosine"] for r in ranked), reverse=True)


def check_no_history(lake: Lake) -> None:
    """Check that every table has a single, audited snapshot, and no metadata file mentions another one or a branch."""
    for table, snapshot in lake.tables.current_snapshots().items():
        assert snapshot.properties["audit_result"] in ("passed", "warned"), table
        assert snapshot.properties["run_id"], table
        loaded = lake.tables.load(table)
        assert loaded is not None
        assert [s.snapshot_id for s in loaded.metadata.snapshots] == [snapshot.id]
        for file in (lake.path / table.replace(".", "/") / "metadata").glob("*.metadata.json"):
            said = json.loads(file.read_text())
            assert [s["snapshot-id"] for s in said["snapshots"]] == [snapshot.id], file
            assert [entry["snapshot-id"] for entry in said["snapshot-log"]] == [snapshot.id], file
            assert set(said["refs"]) == {"main"}
