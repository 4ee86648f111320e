"""`fruitlake export`: write a table as plain Parquet or CSV files, for tools that do not read Iceberg."""

from typing import Annotated, Literal

import typer

from bootstrap.cli.options import say, stderr, takes
from bootstrap.settings import Settings


@takes("lake database_prefix")
def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="such as gold.fruit_vectors")],
    to: Annotated[str, typer.Option(metavar="URI", help="an empty or new folder, or s3://bucket/prefix")],
    settings: Settings,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="what to write")] = "parquet",
) -> None:
    """Write a table as plain files. gold.fruit_vectors becomes one folder per label, any other table one file.

    _SUCCESS is written last: a folder without it is incomplete. `fruitlake erase` does not reach exports.

    Examples: fruitlake export gold.fruit_vectors --to vectors/ ·
    fruitlake export gold.label_summary --to summary/ --format csv
    """
    from catalog.export import export as write
    from catalog.storage import check_allowed, normalize

    target = normalize(to)
    check_allowed(target, settings.regions)  # labels and ids of photos leave the lake
    with stderr.status(f"exporting {table}"):
        rows, files = write(settings.open_lake(), table, target, form)
    say(f"{table}: {rows:,} rows, {files:,} file{'s' if files != 1 else ''} in {target}")
