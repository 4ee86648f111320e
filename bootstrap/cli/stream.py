"""`fruitlake stream`: its options, and the signals that end it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.options import (
    BasisOption,
    EngineOption,
    ExcludeOption,
    ImagesOption,
    IncludeOption,
    LakeOption,
    PrecisionOption,
    PrefixOption,
    PurposeOption,
    QuarantineOption,
    WeightsOption,
    console,
    settings_of,
)
from catalog.errors import SettingsError


def stream(
    context: typer.Context,
    images: ImagesOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    lake: LakeOption = None,
    once: Annotated[bool, typer.Option("--once", help="process the files that are there now, then exit")] = False,
    trigger: Annotated[float, typer.Option("--trigger", min=0.1, help="seconds between listings of the photos")] = 5,
    photos_per_batch: Annotated[
        int, typer.Option("--photos-per-batch", min=1, help="maximum number of files per batch")
    ] = 500,
    settle: Annotated[
        float, typer.Option("--settle", min=0, help="seconds that a file must be left alone before it is read")
    ] = 2,
    marts_every: Annotated[
        float, typer.Option("--marts-every", min=1, help="seconds between refreshes of the marts and the report")
    ] = 600,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="QUEUE_URL", help="SQS queue of S3 events, to read instead of listing"),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option("--metrics", metavar="FILE", help="append a line of JSON for each batch")
    ] = None,
    weights: WeightsOption = None,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    max_quarantine_share: QuarantineOption = None,
    purpose: PurposeOption = None,
    legal_basis: BasisOption = None,
    database_prefix: PrefixOption = None,
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

    settings = settings_of(context)
    if metrics and not metrics.parent.is_dir():
        raise SettingsError(f"--metrics '{metrics}' cannot be written: there is no folder '{metrics.parent}'")
    if events and once:
        raise SettingsError("--once lists all photos, and --events finds only new ones: leave one of them out")
    pace = Pace(None if once else trigger, photos_per_batch, settle, marts_every)
    taking = Stream(settings, pace, console, metrics, events)
    with _ended_by_signals(taking.stop):
        taking.run()
    console.print("stopped" if taking.stop.is_set() else "all photos have been ingested")


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
