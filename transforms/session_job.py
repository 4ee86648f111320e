"""Run dbt models in our own Spark session. dbt-spark runs Python models only on Databricks (its issue 415).

compiled model (Python, or SQL wrapped by the `published` materialization) ──exec──▶ BuildResult ──▶ publish

A Python model is `def model(dbt, run)`. dbt calls the second argument the session; here it is the Run, through which
models access the run's options and session.
"""

import time
from typing import Any

from dbt.adapters.base.impl import log_code_execution
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.spark.connections import SparkCredentials
from dbt.adapters.spark.impl import SparkAdapter
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.exceptions import DbtRuntimeError

from catalog.errors import FruitlakeError, RunError
from catalog.tables import IMAGE_FEATURES, TABLES
from transforms.inputs import inputs_of
from transforms.publish import publish
from transforms.run import BuildResult, Published, Run
from transforms.silver import check_photos
from transforms.spark_error import failing_as

_made = SparkCredentials.__post_init__


def _made_without_ansi(credentials: SparkCredentials) -> None:
    """dbt-spark would turn ANSI mode off in the session, in which photos are read and models are built."""
    _made(credentials)
    del credentials.server_side_parameters["spark.sql.ansi.enabled"]


SparkCredentials.__post_init__ = _made_without_ansi  # type: ignore[method-assign,assignment]


def register(run: Run) -> list[FruitlakeError]:
    """Have dbt-spark run Python models in this process, for this run.

    Returns a list that collects the errors of failed models, because dbt only passes on their messages.
    """
    failures: list[FruitlakeError] = []

    def submit_python_job(adapter: SparkAdapter, parsed_model: dict[str, Any], compiled_code: str) -> AdapterResponse:
        name = f"{parsed_model['config']['schema']}.{parsed_model['alias']}"
        try:
            with failing_as(name):
                outcome = _build(run, name, parsed_model, compiled_code)
        except FruitlakeError as error:
            failures.append(error)
            raise DbtRuntimeError(str(error)) from error  # dbt skips dependent models
        rows = outcome.snapshot.rows if outcome.snapshot else 0
        return AdapterResponse(f"{rows:,} rows" + ("" if outcome.new else ", nothing new"))

    # dbt would read the source of every module on the stack, to name one in a warning: 0.3 s
    BehaviorFlagRendered._default_source = staticmethod(lambda: __name__)  # type: ignore[method-assign]
    SparkAdapter.submit_python_job = log_code_execution(submit_python_job)  # type: ignore[method-assign,no-untyped-call]
    return failures


def _build(run: Run, name: str, node: dict[str, Any], code: str) -> Published:
    by_model = {table.split(".")[1]: table for table in TABLES}
    upstream = sorted(by_model[node_id.removeprefix("model.fruitlake.")] for node_id in node["depends_on"]["nodes"])
    _check_built(run, name, upstream)
    run.check_current(upstream)
    if TABLES[name].layer == "bronze":
        run.read()  # before the clock starts, because it is not the time of one table
    started = time.monotonic()
    model_id = run.model_id if name == IMAGE_FEATURES.name else ""  # other layers need no weights
    always = node["config"].get("meta", {}).get("always_run")
    inputs = "" if always else inputs_of(name, upstream, run.snapshots, model_id)
    current = run.current(name)
    scope: dict[str, Any] = {"BuildResult": BuildResult}
    exec(compile(code, f"<{name}>", "exec"), scope)  # noqa: S102  # the project's own models
    # the same code on the same snapshots would give the same rows
    same = current and inputs and current.properties.get("inputs") == inputs and not scope["full_refresh"]
    outcomes, more = [], True
    while more:
        result: BuildResult | None = None if same else scope["build"](run)
        more = result is not None and result.more
        # a partial result must not count as up to date: if this run is killed, the next one must build the rest
        outcomes.append(publish(run, name, result, "" if more else inputs, upstream))
    new, added = any(outcome.new for outcome in outcomes), sum(outcome.added for outcome in outcomes)
    run.outcomes[name] = Published(name, outcomes[-1].snapshot, new, time.monotonic() - started, added)
    return run.outcomes[name]


def _check_built(run: Run, name: str, upstream: list[str]) -> None:
    """Raise RunError if one of the model's inputs does not exist yet."""
    missing = [table for table in upstream if run.current(table) is None]
    if missing:
        if run.current("bronze.images"):
            check_photos(run)  # a lake without any photo has a better reason
        first = next(table for table in TABLES.values() if run.current(table.name) is None)
        raise RunError(
            f"{name} is made of {missing[0]}, which is not there yet: run `fruitlake run {first.layer}` first"
        )
