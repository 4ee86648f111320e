"""Print what a run did and what a lake holds, as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from catalog.lake import Lake
from expectations.check_result import from_json, warnings_of

_CONFLICTS = 5  # conflicts that the summary lists
_NOTHING_NEW = "nothing new: every table stands as it was"

if TYPE_CHECKING:  # `status` must not wait for Spark's imports
    from ingestion.counts import Counts
    from transforms.run import Run


def print_run(run: Run, console: Console) -> None:
    """Print the published tables, the outcome for the photos, and the variance that the PCA keeps."""
    table = Table("table", "snapshot", "rows", "added", "seconds", title="published", title_justify="left")
    for column in table.columns[2:]:
        column.justify = "right"
    for outcome in run.in_order():
        if snapshot := outcome.snapshot:
            added = f"{outcome.added:,}" if outcome.new else "unchanged"
            cells = outcome.table, str(snapshot.id), f"{snapshot.rows:,}", added, f"{outcome.seconds:.1f}"
            table.add_row(*cells, style=None if outcome.new else "dim")
    console.print(table)
    _print_counts(run.ingested(), console)
    if not run.published():
        console.print(_NOTHING_NEW)
    print_pca(run, console)
    print_conflicts(run, console)
    _print_look_alikes(run, console)
    print_warnings(run, console)
    console.print(f"lake: {run.lake.describe()}", soft_wrap=True)


def print_standing(lake: Lake, counts: Counts | None, console: Console) -> None:
    """Print the summary of a run that had nothing to do."""
    _print_counts(counts, console)
    console.print(_NOTHING_NEW)
    console.print(f"lake: {lake.describe()}", soft_wrap=True)


def _print_counts(counts: Counts | None, console: Console) -> None:
    if counts:
        console.print(
            f"photos: {counts.found:,} found = {counts.stored:,} stored + {counts.known:,} already there + "
            f"{counts.relabelled:,} relabelled + {counts.quarantined:,} quarantined + {counts.conflicts:,} conflicts"
            + (f" + {counts.blocked:,} blocked" if counts.blocked else "")
            + (f"; {counts.ignored:,} ignored" if counts.ignored else ""),
            soft_wrap=True,
        )


def print_pca(run: Run, console: Console) -> None:
    """Print how much variance the PCA keeps, for the photos it was fitted on and for those added since."""
    if "gold.pca" not in run.outcomes or run.current("gold.pca") is None:
        return
    from catalog.stored_pca import load_pca

    stored = load_pca(run.lake)
    k, total = len(stored.components), stored.eigenvalues.sum()
    share = f"{stored.eigenvalues[:k].sum() / total:.2%}" if total else "all"
    console.print(
        f"PCA {stored.pca_id}: {k} of {len(stored.eigenvalues):,} components keep {share} of the variance of the "
        f"{stored.fitted_rows:,} photos it was fitted on"
    )
    vectors = run.outcomes.get("gold.fruit_vectors")
    audit = vectors.snapshot.properties["audit"] if vectors and vectors.new and vectors.snapshot else "[]"
    for check in from_json(audit):
        if check.column == "explained":
            advice = "" if check.passed else ": fit it to them, too, with `fruitlake run gold --refit`"
            console.print(f"and {float(check.observed):.2%} of that of the photos added since{advice}")


def print_conflicts(run: Run, console: Console) -> None:
    """Warn about photos that the source has under two labels, and print the label they keep."""
    conflicts = run.conflicts()
    for conflict in conflicts[:_CONFLICTS]:
        place = f"'{conflict.source_path}' is a photo that stands under '{conflict.kept_label}', too"
        warn(f"{place}, and stays there", console)
    if len(conflicts) > _CONFLICTS:
        console.print(f"and {len(conflicts) - _CONFLICTS:,} more conflicts: the report names them")


def _print_look_alikes(run: Run, console: Console) -> None:
    """Warn about labels that look the same to a person."""
    if not run.published() or run.current("gold.label_summary") is None:
        return
    from catalog.scan import dataset
    from ingestion.labels import look_alikes, shown

    labels = dataset(run.lake, "gold.label_summary").to_table(["label"])["label"].to_pylist()
    for group in look_alikes(labels):
        names = ", ".join(map(shown, group))
        warn(f"labels look alike: {names}: give their folders one name, if they are one variety", console)


def print_warnings(run: Run, console: Console) -> None:
    """Print the warnings of this run's audits."""
    for outcome in run.in_order():
        if outcome.new and outcome.snapshot:
            for check in warnings_of(outcome.snapshot.properties):
                warn(f"{outcome.table}: {check}", console)


def warn(text: str, console: Console) -> None:
    """Print a line that begins with `warning:`."""
    console.print(f"[yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)


def print_status(lake: Lake, console: Console) -> None:
    """Print every published table: snapshot, rows, size, number of snapshots kept, audit result."""
    columns = "table", "snapshot", "rows", "size", "kept", "audit"
    table = Table(*columns, title=lake.uri, title_justify="left", box=SIMPLE)
    for column in table.columns[:5]:
        column.no_wrap = True  # so that ids can be copied
    for column in table.columns[2:5]:
        column.justify = "right"
    for name, snapshot in lake.current_snapshots().items():
        numbers = f"{snapshot.rows:,}", decimal(snapshot.size), str(len(lake.history(name)))
        table.add_row(name, str(snapshot.id), *numbers, snapshot.properties.get("audit_result", "-"))
    console.print(table)
