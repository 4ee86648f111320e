"""The demo: our own drawn photos and our own weights through the whole pipeline, then a look at the result."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from bootstrap.pipeline import build
from bootstrap.reporting import report_run
from bootstrap.settings import Settings
from bootstrap.summary import print_run
from ingestion.samples import SAMPLE_LABELS, write_sample_photos
from transforms.run import Run


def run_demo(settings: Settings, console: Console) -> None:
    """Draw the photos (once; they stay in the cache), build every layer, show what gold says."""
    started = time.monotonic()
    photos = settings.cache / "sample-photos"
    with console.status(f"drawing photos of {len(SAMPLE_LABELS)} varieties"):
        count = write_sample_photos(photos)
    console.print(f"{count:,} photos of {len(SAMPLE_LABELS)} varieties, drawn by Fruitlake: {photos}", soft_wrap=True)
    run = build(settings.model_copy(update={"images": str(photos), "weights": "bundled"}), "all", console)
    print_run(run, console)
    _print_lookalikes(run, console)
    report_run(run, console)
    console.print(f"the demo took {time.monotonic() - started:.0f} s; look around with:")
    console.print(f"  fruitlake status --lake {run.catalog.lake}", soft_wrap=True)
    console.print(f"  fruitlake dbt --lake {run.catalog.lake} -- docs generate", soft_wrap=True)


def _print_lookalikes(run: Run, console: Console) -> None:
    rows = run.spark.sql(
        "SELECT s.label, photos, spread, other_label, cosine FROM gold.label_summary AS s "
        "JOIN gold.label_similarity AS m ON s.label = m.label AND m.rank = 1 ORDER BY s.label"
    ).collect()
    table = Table("variety", "photos", "spread", "looks most like", "cosine", title="gold", title_justify="left")
    for row in rows:
        table.add_row(row.label, f"{row.photos:,}", f"{row.spread:.2f}", row.other_label, f"{row.cosine:.2f}")
    console.print(table)
