"""The `fruitlake` command, assembled from the other modules of this package; its exit codes and error messages."""

import atexit
import gc
import os
import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer
from rich.markup import escape

from bootstrap.cli import catalog, demo, emr, export, identify, model, query, run, serve, stream, upkeep
from bootstrap.cli.options import console, stderr
from catalog.errors import FruitlakeError

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


for command in (demo.demo, run.run, run.ignored, run.status, run.report):
    app.command()(command)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run.dbt)
for command in (query.query, stream.stream, identify.identify, serve.serve, export.export, upkeep.vacuum, upkeep.erase):
    app.command()(command)
app.add_typer(catalog.app, name="catalog")
app.add_typer(model.app, name="model")
app.add_typer(emr.app, name="emr")


def main() -> None:
    """Run the command in sys.argv, and exit with its code."""
    atexit.register(_exit_at_once)
    sys.exit(exit_code())


def _exit_at_once() -> None:
    """Keep Python from visiting every object once more before it exits, which takes a second."""
    if "_duckdb" not in sys.modules:  # it would report its objects as leaked
        gc.freeze()


def exit_code() -> int:
    """Run the command of sys.argv. Returns 0, 1 for a failure, 2 for a usage error, 130 for Ctrl-C."""
    try:
        code = int(app(standalone_mode=False) or 0)
    except FruitlakeError as error:
        return _fail(str(error))
    except typer.exceptions.TyperException as error:  # a usage error
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        if said.strip():  # plain `fruitlake` has shown its help already
            _fail(f"{said} (see `fruitlake --help`)")
        return 2
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        if os.environ.get("FRUITLAKE_DEBUG"):
            raise
        return _fail(_unexpected(error))
    if code == 130:  # typer turns Ctrl-C into this code by itself
        _fail("stopped; everything published before is kept")
    return code


def _unexpected(error: Exception) -> str:
    from transforms.spark_error import JAVA_ENDED, reason_of  # here: only a failing command waits for Spark's modules

    reason = reason_of(error)
    return reason if reason == JAVA_ENDED else f"{reason} (unexpected error; set FRUITLAKE_DEBUG=1 for a traceback)"


def _fail(message: str) -> int:
    stderr.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    return 1
