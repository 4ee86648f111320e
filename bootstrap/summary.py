"""What a run did and what a lake holds, as tables a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from catalog.protocol import Catalog
from catalog.snapshot import Snapshot
from catalog.storage import is_remote
from expectations.facts import Facts
from expectations.outcome import warnings_of

if TYPE_CHECKING:  # `status` starts no Spark, and waits for none of its imports
    from transforms.run import Run


def print_run(run: Run, console: Console) -> None:
    """Published tables; what became of the photos; what the PCA kept."""
    table = Table("table", "snapshot", "rows", "added", "seconds", title="published", title_justify="left")
    for column in table.columns[2:]:
        column.justify = "right"
    for outcome in run.outcomes.values():
        snapshot = outcome.snapshot
        if outcome.new and snapshot:
            added = f"{int(snapshot.parameters['rows_added']):,}"
            table.add_row(outcome.table, snapshot.id, f"{snapshot.rows:,}", added, f"{outcome.seconds:.1f}")
        elif snapshot:
            table.add_row(
                outcome.table, snapshot.id, f"{snapshot.rows:,}", "unchanged", f"{outcome.seconds:.1f}", style="dim"
            )
    console.print(table)
    counts = run.ingested()
    if counts:
        console.print(
            f"photos: {counts.inputs:,} found = {counts.stored:,} stored + {counts.duplicates:,} already there "
            f"or duplicate + {counts.quarantined:,} quarantined"
        )
    if not any(o.new for o in run.outcomes.values()):
        console.print("nothing new: every table stands as it was")
    print_pca(run, console)
    print_warnings(run, console)
    console.print(f"lake: {place_of(run.catalog.lake)}", soft_wrap=True)


def place_of(lake: str) -> str:
    """The lake's URI and, of a bucket, its region: where the photos lie matters to who owns them."""
    if not is_remote(lake):
        return lake
    from catalog import bucket  # imports boto3: only where there is a bucket

    return f"{lake} ({bucket.region(lake)})"


def print_pca(run: Run, console: Console) -> None:
    stored = run.table("gold.pca") if "gold.pca" in run.outcomes else None
    row = stored.first() if stored is not None else None
    if row is None:
        return
    total = sum(row.eigenvalues)
    share = f"{sum(row.eigenvalues[: row.k]) / total:.2%}" if total else "all"
    console.print(
        f"PCA {row.pca_id}: {row.k} of {len(row.eigenvalues):,} components keep {share} of the variance "
        f"of the {row.fitted_rows:,} photos it was fitted on"
    )
    if run.explained is not None:
        fits = run.explained >= Facts(variance=run.variance).refit_below
        advice = "" if fits else ": fit it to them, too, with `fruitlake run gold --refit`"
        console.print(f"and {run.explained:.2%} of that of the photos added since{advice}")


def print_warnings(run: Run, console: Console) -> None:
    """What the audits of this run found odd, but let pass."""
    for outcome in run.outcomes.values():
        if outcome.new and outcome.snapshot:
            for check in warnings_of(outcome.snapshot):
                console.print(f"[yellow]warning:[/] {outcome.table}: {check}", soft_wrap=True, highlight=False)


def print_status(catalog: Catalog, console: Console) -> None:
    table = Table("table", "snapshot", "rows", "size", "versions", "audit", title=catalog.lake, title_justify="left")
    for column in table.columns[:2]:
        column.overflow = "fold"  # on a narrow terminal, too, an id can be read whole
    for column in table.columns[2:5]:
        column.justify = "right"
    for name in catalog.tables():
        snapshot = catalog.current(name)
        if snapshot is not None:
            versions = str(len(catalog.history(name)))
            table.add_row(*_cells(snapshot), versions, snapshot.parameters.get("audit_result", "-"))
    console.print(table)


def _cells(snapshot: Snapshot) -> tuple[str, ...]:
    return snapshot.table, snapshot.id, f"{snapshot.rows:,}", _size(snapshot.bytes)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable: the loop returns at TB")
