"""Exit codes, and one-line error messages on standard error."""

from __future__ import annotations

import os

import typer
from rich.console import Console
from rich.markup import escape

from catalog.errors import FruitlakeError

errors = Console(stderr=True)


def exit_code(app: typer.Typer) -> int:
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
    from py4j.protocol import (
        Py4JNetworkError,
    )  # imported here, so that only a failing command waits for Spark's modules

    from transforms.spark_error import reason_of

    if isinstance(error, (ConnectionError, Py4JNetworkError)):
        return (
            "Spark's Java process has ended: it was killed, or ran out of memory. Everything published before is "
            "kept, and the next run continues from there; if it ends again, give it more memory "
            "(FRUITLAKE_DRIVER_MEMORY=4g) or less to do at once (FRUITLAKE_MASTER=local[1])"
        )
    return f"{reason_of(error)} (unexpected error; set FRUITLAKE_DEBUG=1 for a traceback)"


def _fail(message: str) -> int:
    errors.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    return 1
