"""`fruitlake stream`: its options, and the signals that end it."""

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.options import console, takes
from bootstrap.settings import Settings
from catalog.errors import SettingsError


@takes(
    "images include exclude lake weights engine precision device max_quarantine_share purpose legal_basis "
    "database_prefix"
)
def stream(
    settings: Settings,
    once: Annotated[bool, typer.Option("--once", help="process the files that are there now, then exit")] = False,
    trigger: Annotated[float, typer.Option(min=0.1, help="seconds between listings of the photos")] = 5,
    photos_per_batch: Annotated[int, typer.Option(min=1, help="maximum number of files per batch")] = 500,
    settle: Annotated[float, typer.Option(min=0, help="seconds that a file must be left alone before it is read")] = 2,
    marts_every: Annotated[
        float, typer.Option(min=1, help="seconds between refreshes of the marts and the report")
    ] = 600,
    events: Annotated[
        str | None, typer.Option(metavar="QUEUE_URL", help="SQS queue of S3 events, to read instead of listing")
    ] = None,
    metrics: Annotated[Path | None, typer.Option(metavar="FILE", help="append a line of JSON for each batch")] = None,
) -> None:
    """Ingest photos as they arrive, until Ctrl-C or SIGTERM; the current batch is finished first.

    Each batch is processed like a run: bronze, silver and gold.fruit_vectors, audited and published. Every
    --marts-every seconds, and at the end of --once, an ordinary run brings the marts and the report up to date; so does
    the first batch of a lake without a PCA, which is fitted on the photos that are there.

    Write photos elsewhere and rename them into their label's folder: a file that is read half-written is quarantined
    until the next ordinary run.

    Example: fruitlake stream --images photos/ --lake lake/ --metrics batches.jsonl
    """
    from bootstrap.streaming import Pace, Stream

    if metrics and not metrics.parent.is_dir():
        raise SettingsError(f"--metrics '{metrics}' cannot be written: there is no folder '{metrics.parent}'")
    if events and once:
        raise SettingsError("--once lists all photos, and --events finds only new ones: leave one of them out")
    pace = Pace(None if once else trigger, photos_per_batch, settle, marts_every)
    taking = Stream(settings, pace, console, metrics, events)
    with ExitStack() as handlers:
        for number in (signal.SIGTERM, signal.SIGINT):
            handlers.callback(signal.signal, number, signal.signal(number, lambda *_: taking.stop.set()))
        taking.run()
    console.print("stopped" if taking.stop.is_set() else "all photos have been ingested")
