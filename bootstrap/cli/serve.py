"""`fruitlake serve`: its options, the CSV of facts about fruit, and the server."""

import csv
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.options import console, takes
from bootstrap.settings import Settings
from catalog.errors import SettingsError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@takes("lake database_prefix")
def serve(
    settings: Settings,
    host: Annotated[str, typer.Option(help="address to listen on; 0.0.0.0 lets a phone in")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8000,
    facts: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="facts to return for each label: a column `label`, and any others"),
    ] = None,
    max_megabytes: Annotated[int, typer.Option(min=1, max=64, help="of one photo")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds to send a photo, and to wait")] = 10,
    threads: Annotated[int, typer.Option(min=1, help="photos processed at once")] = 2,
    connections: Annotated[int, typer.Option(min=2, help="maximum number of connections")] = 64,
    refresh: Annotated[float, typer.Option(min=0.1, help="seconds between checks for a newer gold")] = 10,
    access_log: Annotated[bool, typer.Option("--access-log", help="print each request, with its address")] = False,
) -> None:
    """Serve `identify` over HTTP, with a web page to take photos. Needs pip install 'fruitlake\\[serve]'.

    POST /identify · GET /labels/{label} · GET /health · GET /docs. New snapshots of gold are loaded without stopping
    requests. Photos are neither stored nor logged. There is no password: to serve other machines, put a proxy with TLS
    and authentication in front.

    Example: fruitlake serve --lake lake/ --facts fruit.csv, then open http://127.0.0.1:8000/
    """
    if missing := [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]:
        raise SettingsError(f"serve needs {', '.join(missing)}: install it with `pip install 'fruitlake[serve]'`")
    import uvicorn
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from bootstrap.serve.app import Limits, make_app
    from bootstrap.serve.gold import CurrentGold

    told = read_facts(facts) if facts else {}
    lake = settings.open_lake()
    with console.status("loading gold's vectors"):
        current = CurrentGold(lake)
    app = make_app(current, Limits(max_megabytes * 1024**2, timeout, threads), told, refresh)
    if host in _LOOPBACK:  # prevents DNS rebinding by other web pages
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK))
    logging.basicConfig(format="%(levelname)s: %(message)s")
    console.print(f"serving {lake.uri} on http://{host}:{port}/ (Ctrl-C stops)", soft_wrap=True, highlight=False)
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=access_log,
        log_level="info" if access_log else "warning",
        limit_concurrency=connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=round(timeout) + 1,
        server_header=False,
    )


def read_facts(path: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a CSV, by its column `label`. Raises SettingsError if it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [dict(row) for row in csv.DictReader(stream, restval="")]
    except (OSError, UnicodeError, csv.Error) as error:
        raise SettingsError(f"--facts '{path}' cannot be read ({error}): give a CSV in UTF-8") from error
    if not rows or "label" not in rows[0]:
        raise SettingsError(
            f"--facts '{path}' has no column `label`: its first line names the columns, `label` among them"
        )
    return {row["label"]: {name: row[name] for name in row if name and name != "label"} for row in rows}
