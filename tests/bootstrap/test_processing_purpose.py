"""Purpose and legal basis: stored with each batch, kept with the table, shown in the report."""

import json
from pathlib import Path

from rich.console import Console

from bootstrap.reporting import report_run
from ingestion.samples import write_sample_photos
from tests.lakes import Lake


def test_each_batch_keeps_what_was_stated_for_it(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    ids = []
    stated = [
        {"purpose": "sorting <fruit>", "legal_basis": "consent"},
        {"purpose": "research"},
        {"purpose": "research"},
    ]
    for photos, purpose in enumerate(stated, 1):
        write_sample_photos(lake.photos, per_label=photos, labels=("Lemon", "Banana"))
        run = lake.run("bronze", **purpose)
        ids.append(run.id)
    images = lake.current("bronze.images")
    assert json.loads(images.properties["processing_purposes"]) == [
        {"from": ids[0], "batches": 1} | stated[0],
        {"from": ids[1], "batches": 2, "purpose": "research", "legal_basis": None},
    ]
    page = Path(report_run(run, Console(quiet=True)) or "").read_text()
    assert "sorting &lt;fruit&gt;; legal basis: consent" in page
    assert "research; legal basis: not stated" in page
