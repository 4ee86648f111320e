"""The report of a run, and of a lake: what the report needs of the run, and a report's failure made harmless.

Run ──facts──▶ expectations.report ──▶ <lake>/reports/index.html
"""

from __future__ import annotations

from rich.console import Console

from bootstrap.session import start, starting
from bootstrap.settings import Settings
from catalog.attach import attach
from catalog.errors import FruitlakeError
from catalog.lock import working
from catalog.protocol import Catalog
from expectations.report import PhotoCounts, RunFacts, TableOutcome, write_report
from expectations.report.facts import now
from ingestion.photo import decode
from transforms.run import Run
from transforms.spark_error import reason_of


def report_run(run: Run, console: Console, failure: FruitlakeError | None = None) -> str | None:
    """Write the run's report and say where it is; what goes wrong costs a line, never the run. Returns its URI."""
    if not run.catalog.tables():
        return None  # the run stopped before there was anything to show
    try:
        with working(run.catalog.lake):  # an erasure must not be followed by a page of what it has erased
            if run.is_overtaken():
                attach(run.spark, run.catalog)  # the page shows the lake as it is now
            uri = write_report(run.spark, run.catalog, decode, facts(run, failure))
    except Exception as error:  # noqa: BLE001  # the tables are published; a page about them can be made again
        console.print("[yellow]warning:[/] the report was not written", end=" ")
        console.print(f"({reason_of(error)})", markup=False, highlight=False, soft_wrap=True)
        return None
    say_where(uri, console)
    return uri


def report_lake(settings: Settings, catalog: Catalog, console: Console) -> str:
    """Write the report of the lake's last run again. Returns its URI."""
    with working(settings.lake):
        with console.status(starting(settings)):
            spark = start(settings)
            attach(spark, catalog)
        with console.status("writing the report"):
            uri = write_report(spark, catalog, decode)
    say_where(uri, console)
    return uri


def say_where(uri: str, console: Console) -> None:
    console.print(f"report: {uri}", markup=False, highlight=False, soft_wrap=True)


def facts(run: Run, failure: FruitlakeError | None = None) -> RunFacts:
    """The run as the report knows it."""
    tables = tuple(
        TableOutcome(
            table=o.table,
            snapshot=o.snapshot.id,
            rows=o.snapshot.rows,
            added=int(o.snapshot.parameters.get("rows_added", o.snapshot.rows)) if o.new else None,
            seconds=round(o.seconds, 2),
        )
        for o in run.outcomes.values()
        if o.snapshot
    )
    counts = run.ingested()
    photos = PhotoCounts(counts.inputs, counts.stored, counts.duplicates, counts.quarantined) if counts else None
    return RunFacts(run.id, tables, photos, str(failure) if failure else None, now())
