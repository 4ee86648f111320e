"""Run dbt models in our own Spark session. dbt-spark runs Python models only on Databricks (its issue 415).

compiled model (Python, or SQL wrapped by the `published` materialization) ──exec──▶ rows ──▶ publish
"""

from __future__ import annotations

import hashlib
import time
from importlib.metadata import version
from typing import Any

from dbt.adapters.base.impl import PythonJobHelper
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.spark.impl import SparkAdapter
from dbt_common.exceptions import DbtRuntimeError
from pyspark.sql import DataFrame

from catalog.errors import FruitlakeError, RunError
from catalog.tables import TABLES
from transforms.publish import publish
from transforms.run import Published, Run, active
from transforms.spark_error import reason_of


class SessionJob(PythonJobHelper):
    """Executes one compiled model, whose code leaves a callable `rows` behind."""

    def __init__(self, parsed_model: dict[str, Any], credentials: object) -> None:
        self._node = parsed_model

    def submit(self, compiled_code: str) -> str:
        run = active()
        run.spark.conf.set("spark.sql.ansi.enabled", "true")  # dbt-spark turns it off before its own statements
        name = f"{self._node['schema']}.{self._node['alias']}"
        try:
            outcome = _build(run, name, self._node, compiled_code)
        except Exception as error:
            run.failure = error if isinstance(error, FruitlakeError) else RunError(f"{name} failed: {reason_of(error)}")
            run.failure.__cause__ = error if run.failure is not error else error.__cause__
            raise DbtRuntimeError(str(run.failure)) from error  # dbt skips what depends on this model
        return f"{outcome.snapshot.rows if outcome.snapshot else 0:,} rows" + ("" if outcome.new else ", nothing new")


def _build(run: Run, name: str, node: dict[str, Any], code: str) -> Published:
    started = time.monotonic()
    inputs = _inputs(run, node, code)
    current = run.current(name)
    if TABLES[name].mode == "replace" and current and inputs and current.parameters.get("inputs") == inputs:
        rows: DataFrame | None = None  # same code over the same snapshots would give the same rows
    else:
        scope: dict[str, Any] = {"spark": run.spark}
        exec(compile(code, f"<{name}>", "exec"), scope)  # noqa: S102  # the project's own models
        rows = scope["rows"]()
    outcome = publish(run, name, rows, inputs)
    run.outcomes[name] = Published(name, outcome.snapshot, outcome.new, time.monotonic() - started)
    return run.outcomes[name]


def _inputs(run: Run, node: dict[str, Any], code: str) -> str:
    """What a model that only depends on other tables is made of; empty for one that decides by itself."""
    if node["config"].get("meta", {}).get("decides_itself"):
        return ""
    upstream = sorted(n.removeprefix("model.fruitlake.") for n in node["depends_on"]["nodes"])
    by_model = {t.split(".")[1]: t for t in TABLES}
    snapshots = [f"{by_model[m]}@{s.id}" for m in upstream if (s := run.current(by_model[m]))]
    digest = hashlib.sha256(f"{version('fruitlake')}{code}".encode()).hexdigest()[:12]
    return " ".join([*snapshots, f"code@{digest}"])


def register() -> None:
    """Teach dbt-spark to run Python models in this process."""
    SparkAdapter.default_python_submission_method = property(lambda self: "session")  # type: ignore[assignment]
    SparkAdapter.python_submission_helpers = property(lambda self: {"session": SessionJob})  # type: ignore[assignment]
    SparkAdapter.generate_python_submission_response = (  # type: ignore[method-assign]
        lambda self, submission_result: AdapterResponse(_message=submission_result)
    )
