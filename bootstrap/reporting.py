"""Write the report after a run, or for a lake's last run. If that fails, the run only prints a warning.

Run ──facts──▶ expectations.report ──▶ <lake>/reports/index.html
"""

from __future__ import annotations

from rich.console import Console

from bootstrap.session import start, starting
from bootstrap.settings import Settings
from catalog.errors import FruitlakeError
from catalog.lake import Lake
from catalog.storage import exists
from expectations.report import RunFacts, TableOutcome, write_report
from expectations.report.facts import now
from transforms.run import Run
from transforms.spark_error import reason_of


def report_run(run: Run, console: Console, failure: FruitlakeError | None = None) -> str | None:
    """Write the run's report and print its URI; warns on failure. Returns the URI, or None if there is no report."""
    if not run.lake.has_catalog() or not run.lake.tables():
        return None  # the run stopped before anything was published
    if failure is None and not run.published() and exists(index := f"{run.lake.uri}/reports/index.html"):
        say_where(index, console)
        return index  # the last report is still correct
    try:
        with run.lake.in_use():  # so that no erasure ends while a page with erased photos is being written
            uri = write_report(run.spark, run.lake, facts(run, failure))
    except Exception as error:  # noqa: BLE001  # the tables are published; `fruitlake report` can write the page again
        console.print("[yellow]warning:[/] the report was not written", end=" ")
        console.print(f"({reason_of(error)})", markup=False, highlight=False, soft_wrap=True)
        return None
    say_where(uri, console)
    return uri


def report_lake(settings: Settings, lake: Lake, console: Console) -> str:
    """Write the report of the lake's last run again. Returns its URI."""
    with lake.in_use():
        with console.status(starting(settings)):
            spark = start(settings, lake)
        with console.status("writing the report"):
            uri = write_report(spark, lake)
    say_where(uri, console)
    return uri


def say_where(uri: str, console: Console) -> None:
    """Print the URI of a report."""
    console.print(f"report: {uri}", markup=False, highlight=False, soft_wrap=True)


def facts(run: Run, failure: FruitlakeError | None = None) -> RunFacts:
    """Collect the facts of a run for its report."""
    tables = tuple(
        TableOutcome(
            table=o.table,
            snapshot=str(o.snapshot.id),
            rows=o.snapshot.rows,
            added=o.added if o.new else None,
            seconds=round(o.seconds, 2),
        )
        for o in run.outcomes.values()
        if o.snapshot
    )
    conflicts = tuple(run.conflicts())
    return RunFacts(run.id, tables, run.ingested(), conflicts, str(failure) if failure else None, now())
