"""How a command ends: whatever goes wrong becomes one line on standard error, and a non-zero exit."""

from __future__ import annotations

import os

import typer
from rich.console import Console
from rich.markup import escape

from catalog.errors import FruitlakeError

errors = Console(stderr=True)


def exit_code(app: typer.Typer) -> int:
    """Run the command that was typed. 0, 1 for a failure, 2 for a mistake in what was typed, 130 for Ctrl-C."""
    try:
        code = int(app(standalone_mode=False) or 0)
    except FruitlakeError as error:
        return _fail(str(error))
    except typer.exceptions.TyperException as error:  # a mistake on the command line
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        if said.strip():  # plain `fruitlake` has shown its help already
            _fail(f"{said} (see `fruitlake --help`)")
        return 2
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        if os.environ.get("FRUITLAKE_DEBUG"):
            raise
        return _fail(_unforeseen(error))
    if code == 130:  # typer turns Ctrl-C into this code by itself
        _fail("stopped; what was published before stands")
    return code


def _unforeseen(error: Exception) -> str:
    from py4j.protocol import Py4JNetworkError  # not on top: a command that does not fail does not wait for Spark

    from transforms.spark_error import reason_of

    if isinstance(error, (ConnectionError, Py4JNetworkError)):
        return (
            "Spark has ended under the run: its Java process was killed, or out of memory. What was published "
            "before stands, and the next run does what is missing"
        )
    return f"{reason_of(error)} (this is not foreseen: FRUITLAKE_DEBUG=1 shows where)"


def _fail(message: str) -> int:
    errors.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    return 1
