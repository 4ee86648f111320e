"""`fruitlake catalog`: a table's snapshots, the way back to an older one, and the queries that Athena keeps."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bootstrap import settings as settings_module
from bootstrap.lakes import open_published
from bootstrap.query_cli import LakeOption, PrefixOption, WorkgroupOption
from catalog.errors import CatalogError
from catalog.protocol import Catalog

app = typer.Typer(no_args_is_help=True, help="Snapshots of the tables, and what AWS keeps of the lake.")
console = Console()

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="such as gold.fruit_vectors")]


@app.command()
def history(table: TableArgument, lake: LakeOption = None, database_prefix: PrefixOption = None) -> None:
    """List a table's snapshots, newest first; readers see the one marked as current."""
    catalog = open_published(settings_module.load(lake=lake, database_prefix=database_prefix))
    current = _current(catalog, table)
    shown = Table("snapshot", "written", "rows", "added", "audit", "", title=table, title_justify="left")
    for snapshot in catalog.history(table):
        facts = snapshot.parameters
        numbers = f"{snapshot.rows:,}", f"{int(facts.get('rows_added', snapshot.rows)):,}"
        mark = "current" if snapshot.id == current else ""
        shown.add_row(snapshot.id, snapshot.created_at[:19], *numbers, facts.get("audit_result", ""), mark)
    console.print(shown)


@app.command()
def rollback(
    table: TableArgument,
    snapshot: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="one of `fruitlake catalog history TABLE`")],
    lake: LakeOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Make an older snapshot of a table what readers see. No file changes, and the newer one stays in the history.

    Only this table goes back. The next run brings what depends on it in line, and takes in again what it lacks.

    Example: fruitlake catalog rollback gold.fruit_vectors 20260314T092653-1a2b --lake lake/
    """
    from catalog.lock import working

    settings = settings_module.load(lake=lake, database_prefix=database_prefix)
    catalog = open_published(settings)
    before = _current(catalog, table)
    with working(settings.lake):
        now = catalog.rollback(table, snapshot)
    console.print(f"{table}: {now.id} is current ({now.rows:,} rows); it was {before}", highlight=False, soft_wrap=True)


@app.command("sync-queries")
def sync_queries(workgroup: WorkgroupOption = None, database_prefix: PrefixOption = None) -> None:
    """Store Fruitlake's queries as Athena's named queries; its console lists them under Saved queries.

    What is stored already is brought up to date; other queries are left alone.
    """
    from catalog import aws
    from catalog.query.sync import sync_queries

    settings = settings_module.load(workgroup=workgroup, database_prefix=database_prefix)
    done = sync_queries(aws.athena(), settings.database_prefix, settings.workgroup)
    for stored, what in done.items():
        console.print(f"{what:<9} {stored}", highlight=False)


def _current(catalog: Catalog, table: str) -> str:
    """The id of its current snapshot. Raises CatalogError if there is no such table."""
    if table not in catalog.tables():
        raise CatalogError(f"the lake has no table '{table}', only {', '.join(catalog.tables())}")
    current = catalog.current(table)
    assert current is not None  # `tables` names those that have one
    return current.id
