"""`fruitlake catalog`: list a table's snapshots, roll back to an older one, store the queries in Athena."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings
from bootstrap.summary import warn
from catalog.errors import CatalogError, SettingsError
from catalog.lake import Lake
from catalog.snapshots import Snapshot
from catalog.tables import TABLES

app = typer.Typer(no_args_is_help=True, help="Snapshots of the tables, and what AWS keeps of the lake.")


@app.command()
@takes("lake database_prefix")
def history(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="such as gold.fruit_vectors")], settings: Settings
) -> None:
    """List a table's snapshots, newest first; readers see the one marked as current."""
    lake = settings.published_lake()
    current = _current(lake, table)
    shown = Table("snapshot", "run", "rows", "added", "audit", "", title=table, title_justify="left", box=SIMPLE)
    for column in shown.columns[:2]:
        column.no_wrap = True  # ids must stay in one piece, to be copied
    for snapshot in sorted(lake.history(table), key=lambda s: s.created_at, reverse=True):
        numbers = f"{snapshot.rows:,}", f"{snapshot.rows_added:,}"
        mark = "current" if snapshot.id == current.id else ""
        audit = snapshot.properties.get("audit_result", "")
        shown.add_row(str(snapshot.id), snapshot.run, *numbers, audit, mark)
    console.print(shown)


@app.command()
@takes("lake database_prefix")
def rollback(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="such as gold.fruit_vectors")] = None,
    snapshot: Annotated[
        str | None, typer.Argument(metavar="[SNAPSHOT]", help="one of `fruitlake catalog history TABLE`")
    ] = None,
    to_run: Annotated[
        str | None, typer.Option(metavar="RUN", help="roll every table back to its state after this run")
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Roll back every table (--to-run), or one table, to an older snapshot.

    No file changes, and the newer snapshots stay in the history. The tables of one PCA belong together, so use --to-run
    unless you know that only one table is wrong. The next run brings the tables that depend on it up to date.

    Examples: fruitlake catalog rollback --to-run 20260314T092653-1a2b --lake lake/ ·
    fruitlake catalog rollback gold.fruit_vectors 6712398712309812 --lake lake/
    """
    from catalog.rollback import rollback_lake, rollback_table

    if (to_run is not None and table is not None) or (to_run is None and snapshot is None):
        raise SettingsError("say what to go back to: --to-run RUN, or TABLE and SNAPSHOT")
    lake = settings.published_lake()
    with lake.exclusive():  # a run in progress would build on the snapshots that are rolled back
        if to_run is not None:
            for name, now in rollback_lake(lake, to_run).items():
                say(f"{name}: {f'{now.id} is current ({now.rows:,} rows)' if now else 'dropped, it was made later'}")
            return
        assert table is not None and snapshot is not None  # checked above
        before = _current(lake, table)
        now = rollback_table(lake, table, snapshot)
    say(f"{table}: {now.id} is current ({now.rows:,} rows); it was {before.id}")
    others = [name for name, s in lake.current_snapshots().items() if name != table and s.run != now.run]
    if others:
        warn(f"{', '.join(others)} stayed as they were: `--to-run {now.run}` takes every table back together", console)


@app.command("sync-queries")
@takes("workgroup database_prefix")
def sync_queries(settings: Settings) -> None:
    """Store Fruitlake's queries as Athena's named queries; its console lists them under Saved queries.

    Queries that are stored already are updated; queries of other names are left alone.
    """
    from catalog import aws
    from catalog.query.sync import sync_queries

    for stored, what in sync_queries(aws.client("athena"), settings.database_prefix, settings.workgroup).items():
        console.print(f"{what:<9} {stored}", highlight=False)


def _current(lake: Lake, table: str) -> Snapshot:
    """The table's current snapshot. Raises CatalogError if there is no such table."""
    current = lake.current(table) if table in TABLES else None
    if current is None:
        raise CatalogError(f"the lake has no table '{table}', only {', '.join(lake.tables())}")
    return current
