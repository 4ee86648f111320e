"""Write the report after a run, or for a lake's last run. If that fails, the run only prints a warning.

Run ──facts──▶ expectations.report ──▶ <lake>/reports/index.html
"""

from datetime import UTC, datetime

from rich.console import Console

from bootstrap.summary import warn
from catalog.errors import FruitlakeError
from catalog.lake import Lake
from catalog.storage import exists
from expectations.report import RunFacts, TableOutcome, write_report
from transforms.run import Run
from transforms.spark_error import reason_of


def report_run(run: Run, console: Console, failure: FruitlakeError | None = None) -> str | None:
    """Write the run's report and print its URI; warns on failure. Returns the URI, or None if there is no report."""
    if not run.lake.has_catalog() or not run.lake.tables():
        return None  # the run stopped before anything was published
    if failure is None and not run.published() and exists(index := f"{run.lake.uri}/reports/index.html"):
        return _told(index, console)  # the last report is still correct
    try:
        with run.lake.in_use():  # so that no erasure ends while a page with erased photos is being written
            uri = write_report(run.lake, facts(run, failure))
    except Exception as error:  # noqa: BLE001  # the tables are published; `fruitlake report` can write the page again
        warn(f"the report was not written ({reason_of(error)})", console)
        return None
    return _told(uri, console)


def report_lake(lake: Lake, console: Console) -> None:
    """Write the report of the lake's last run again, and print its URI."""
    with lake.in_use(), console.status("writing the report"):
        _told(write_report(lake), console)


def _told(uri: str, console: Console) -> str:
    console.print(f"report: {uri}", markup=False, highlight=False, soft_wrap=True)
    return uri


def facts(run: Run, failure: FruitlakeError | None = None) -> RunFacts:
    """Collect the facts of a run for its report."""
    tables = tuple(
        TableOutcome(o.table, str(o.snapshot.id), o.snapshot.rows, o.added if o.new else None, round(o.seconds, 2))
        for o in run.in_order()
        if o.snapshot
    )
    reason = str(failure) if failure else None
    ended_at = datetime.now(UTC).isoformat(timespec="seconds")
    return RunFacts(run.id, tables, run.ingested(), tuple(run.conflicts()), reason, ended_at)
