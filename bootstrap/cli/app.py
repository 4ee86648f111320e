"""The `fruitlake` command, assembled from the other modules of this package.

Every setting is an option and a FRUITLAKE_* variable; bootstrap/settings.py holds the defaults.
"""

from __future__ import annotations

import atexit
import gc
import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from bootstrap.cli import catalog, emr, export, identify, model, query, run, serve, stream, upkeep
from bootstrap.cli.exits import exit_code
from bootstrap.cli.options import console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="A lake of fruit photos: bronze (raw photos), silver (MobileNetV2 features), gold (PCA vectors by label).",
    epilog="Start with [bold]fruitlake demo[/bold]. Every option of run is also a variable: --lake is FRUITLAKE_LAKE.",
)


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"fruitlake {version_of('fruitlake')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Global options, given before a command."""


app.command()(run.demo)
app.command()(run.run)
app.command()(run.ignored)
app.command()(run.status)
app.command()(run.report)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run.dbt)
app.command()(query.query)
app.command()(stream.stream)
app.command()(identify.identify)
app.command()(serve.serve)
app.command()(export.export)
app.command()(upkeep.vacuum)
app.command()(upkeep.erase)
app.add_typer(catalog.app, name="catalog")
app.add_typer(model.app, name="model")
app.add_typer(emr.app, name="emr")


def main() -> None:
    """Run the command in sys.argv, and exit with its code."""
    atexit.register(gc.freeze)  # else Python visits every object once more before it exits, which takes a second
    sys.exit(exit_code(app))
