"""`fruitlake export`: write a table as plain Parquet or CSV files, for tools that do not read Iceberg."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bootstrap.cli.options import LakeOption, PrefixOption, say, stderr
from bootstrap.settings import load


class ExportFormat(StrEnum):
    """File formats that `export` writes."""

    parquet = "parquet"
    csv = "csv"


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="such as gold.fruit_vectors")],
    to: Annotated[str, typer.Option("--to", metavar="URI", help="an empty or new folder, or s3://bucket/prefix")],
    form: Annotated[ExportFormat, typer.Option("--format", help="what to write")] = ExportFormat.parquet,
    lake: LakeOption = None,
    database_prefix: PrefixOption = None,
) -> None:
    """Write a table as plain files. gold.fruit_vectors becomes one folder per label, any other table one file.

    _SUCCESS is written last: a folder without it is incomplete. `fruitlake erase` does not reach exports.

    Examples: fruitlake export gold.fruit_vectors --to vectors/ ·
    fruitlake export gold.label_summary --to summary/ --format csv
    """
    from catalog.export import export as write
    from catalog.storage import check_allowed, normalize

    settings = load(lake=lake, database_prefix=database_prefix)
    target = normalize(to)
    check_allowed(target, settings.regions)  # labels and ids of photos leave the lake
    with stderr.status(f"exporting {table}"):
        done = write(settings.open_lake(), table, target, form.value)
    files = f"{done.files:,} file{'s' if done.files != 1 else ''}"
    say(f"{table}: {done.rows:,} rows, {files} in {target}")
