"""Run dbt in this process, on the run's Spark session.

    build_models(run, "tag:gold")        as `fruitlake run gold` does
    invoke(run, ["docs", "generate"])    as `fruitlake dbt -- docs generate` does

dbt's target and logs are in the cache, in one folder per lake. The parsed project is the same for every lake and is
shared.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from catalog.aws_reason import refusal_in
from catalog.errors import RunError
from transforms.inputs import PROJECT
from transforms.run import Run


def build_models(run: Run, *selected: str) -> None:
    """Build the selected models, or all. Raises as `invoke` does.

    Skips dbt's data tests, because every table is audited when it is published, and dbt's artifacts, which `fruitlake
    dbt` writes, and does not list the tables of all layers first.
    """
    selection = ["--select", *selected] if selected else []
    invoke(run, ["--no-write-json", "--no-populate-cache", "run", *selection], quiet=True)


def invoke(run: Run, arguments: list[str], quiet: bool = False) -> None:
    """Run a dbt command.

    Raises the FruitlakeError of a model that failed, RunError with dbt's message, or KeyboardInterrupt.
    """
    target = target_folder(run)
    parsed = run.options.cache / "dbt" / "partial_parse.msgpack"  # saves a new lake's first run a second
    with _environment(run, target, parsed):
        from dbt.cli.main import dbtRunner  # takes two seconds, unless bootstrap/pipeline.py has imported it

        from transforms.session_job import register

        failures = register(run)
        try:
            result = dbtRunner().invoke([*(["--quiet", "--log-level", "none"] if quiet else []), *arguments])
        finally:
            with suppress(FileNotFoundError):  # another run may have moved it, or nothing was parsed
                os.replace(target / parsed.name, parsed)
    if isinstance(result.exception, KeyboardInterrupt):
        raise result.exception
    if failures:
        raise failures[0]
    if result.exception is not None:
        said = refusal_in(str(result.exception)) or result.exception
        raise RunError(f"dbt {' '.join(arguments)}: {said}") from result.exception
    if not result.success:
        failed = [r for r in getattr(result.result, "results", []) if r.status in ("error", "fail")]
        raise RunError(f"dbt {' '.join(arguments)} failed: {'; '.join(map(_said, failed)) or 'see its output'}")


@contextmanager
def _environment(run: Run, target: Path, parsed: Path) -> Iterator[None]:
    """Set the variables that dbt and the project's macros read, for one command."""
    variables = {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "DBT_CACHE_SELECTED_ONLY": "true",  # Glue refuses to list databases that do not exist yet
        "FRUITLAKE_DATABASE_PREFIX": run.lake.prefix,  # read by macros/generate_schema_name.sql
    }
    if parsed.exists():
        variables["DBT_PARTIAL_PARSE_FILE_PATH"] = str(parsed)
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update(before)


def _said(result: Any) -> str:
    """Describe a failed node in one line."""
    message = str(result.message).strip().splitlines()[0]
    if result.node.resource_type != "test":
        return f"{result.node.name}: {message}"
    return (
        f"data test {result.node.name} found {result.failures or 0:,} wrong rows ({message}); "
        f"the table is published: see transforms/{result.node.original_file_path}, mend its model and run again"
    )


def target_folder(run: Run) -> Path:
    """Folder of dbt's artifacts for this lake: manifest, catalog, compiled models, docs."""
    return artifacts_folder(run.options.cache, run.lake.uri) / "target"


def artifacts_folder(cache: Path, lake: str) -> Path:
    """Folder of everything that dbt writes for a lake: target and logs."""
    return cache / "dbt" / hashlib.sha256(lake.encode()).hexdigest()[:12]
