"""`fruitlake demo`: run the whole pipeline on the sample photos with the bundled weights, and show the result.

One photo is held out of the lake and identified at the end.
"""

import time

from rich.table import Table

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings, load

_HELD_OUT = "Kiwi Half/kiwi-half_029.jpg"


@takes("lake")
def demo(settings: Settings) -> None:
    """Run every layer on sample photos with the bundled weights, and show the result.

    Needs no account, no download and no photos. The lake is ./fruitlake-demo unless --lake is given.
    """
    from bootstrap.cli.identify import describe
    from bootstrap.pipeline import build
    from bootstrap.reporting import report_run
    from bootstrap.summary import print_run
    from ingestion.samples import SAMPLE_LABELS, write_sample_photos
    from transforms.identify import open_identifier

    if "lake" not in settings.model_fields_set:
        settings = load(lake="fruitlake-demo")
    started = time.monotonic()
    photos = settings.cache / "sample-photos"
    count = write_sample_photos(photos)
    console.print(f"{count:,} photos of {len(SAMPLE_LABELS)} varieties, drawn for Fruitlake: {photos}", soft_wrap=True)
    console.print(f"one of them, {_HELD_OUT}, is kept out of the lake")
    chosen = {"images": str(photos), "weights": "bundled", "exclude": (_HELD_OUT,)}
    run = build(settings.model_copy(update=chosen), "all", console)
    print_run(run, console)
    rows = run.spark.sql(
        "SELECT s.label, photos, spread, other_label, cosine FROM {summary} AS s "
        "JOIN {similarity} AS m ON s.label = m.label AND m.rank = 1 ORDER BY s.label",
        summary=run.table("gold.label_summary"),
        similarity=run.table("gold.label_similarity"),
    ).collect()
    table = Table("variety", "photos", "spread", "looks most like", "cosine", title="gold", title_justify="left")
    for row in rows:
        table.add_row(row.label, f"{row.photos:,}", f"{row.spread:.2f}", row.other_label, f"{row.cosine:.2f}")
    console.print(table)
    report_run(run, console)
    console.print("what `fruitlake identify` says of the photo that the lake has not seen:")
    describe(_HELD_OUT, open_identifier(run.lake).identify((photos / _HELD_OUT).read_bytes(), count=3))
    console.print(f"the demo took {time.monotonic() - started:.0f} s; look around with:")
    say(f"  fruitlake status --lake {run.lake.uri}")
    say(f"  fruitlake dbt --lake {run.lake.uri} -- docs generate")
