"""dbt, in this process, over the run's Spark session.

    invoke(run, ["build", "--select", "gold"])     what `fruitlake run gold` does
    invoke(run, ["docs", "generate"])              what `fruitlake dbt -- docs generate` does

dbt's target and logs lie in the cache, one folder a lake, never beside the models. What it has parsed is the same for
every lake, and is kept once.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from catalog.errors import RunError
from transforms.run import Run, activate

PROJECT = Path(str(files("transforms")))


def invoke(run: Run, arguments: list[str], quiet: bool = False) -> None:
    """Run a dbt command. Raises the FruitlakeError a model met, or RunError with what dbt says."""
    target = target_folder(run)
    os.environ.update(
        {
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target.parent / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }
    )
    os.environ.pop("DBT_PARTIAL_PARSE_FILE_PATH", None)
    if _parsed(run.cache).exists():  # else the first run over a new lake parses for a second
        os.environ["DBT_PARTIAL_PARSE_FILE_PATH"] = str(_parsed(run.cache))
    from dbt.cli.main import dbtRunner  # imports for a second; after the environment, which it reads

    from transforms.session_job import register

    register()
    activate(run)
    try:
        result = dbtRunner().invoke([*(["--quiet", "--log-level", "none"] if quiet else []), *arguments])
    finally:
        activate(None)
        run.spark.conf.set("spark.sql.ansi.enabled", "true")  # dbt-spark turns it off and leaves it so
        _keep_parsed(target, run.cache)
    if run.failure is not None:
        raise run.failure
    if result.exception is not None:
        raise RunError(f"dbt {' '.join(arguments)}: {result.exception}") from result.exception
    if not result.success:
        failed = [r for r in getattr(result.result, "results", []) if r.status in ("error", "fail")]
        raise RunError(f"dbt {' '.join(arguments)} failed: {'; '.join(map(_said, failed)) or 'see its output'}")


def _keep_parsed(target: Path, cache: Path) -> None:
    """dbt reads it where it is told to, and writes it into the target: only if it had to parse anything."""
    with suppress(FileNotFoundError):  # another run may have moved it, or nothing was parsed
        os.replace(target / _parsed(cache).name, _parsed(cache))


def _parsed(cache: Path) -> Path:
    return cache / "dbt" / "partial_parse.msgpack"


def _said(result: Any) -> str:
    """One failed node in a line."""
    message = str(result.message).strip().splitlines()[0]
    if result.node.resource_type != "test":
        return f"{result.node.name}: {message}"
    return (
        f"data test {result.node.name} found {result.failures or 0:,} wrong rows ({message}); "
        f"the table is published: see transforms/{result.node.original_file_path}, mend its model and run again"
    )


def target_folder(run: Run) -> Path:
    """Where dbt leaves its artifacts for this lake: manifest, catalog, compiled models, docs."""
    return artifacts_folder(run.cache, run.catalog.lake) / "target"


def artifacts_folder(cache: Path, lake: str) -> Path:
    """All that dbt leaves for a lake: target and logs."""
    return cache / "dbt" / hashlib.sha256(lake.encode()).hexdigest()[:12]
