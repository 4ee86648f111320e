"""Erase photos, and everything derived from them, from the whole lake.

    Erasure ──begin: <lake>/_erasures/<id>.pending.json──▶ from here on it has to be finished
      bronze, silver, gold       DELETE on an audit branch, published like every other change; manifests are rewritten
      marts                      rebuilt from the remaining rows; with refit, also the PCA and all of gold
      history                    all older snapshots expire, with their files and metadata
      reports, logs, checkpoints deleted; `fruitlake report` writes a new page
      a bucket's old versions    deleted, with everything else that the bucket only hides
    ──finish: <lake>/_erasures/<id>.json, the record, without a trace of what was erased

Every step is idempotent and starts from the lake's current state: if an erasure is killed, the next `fruitlake erase`
completes it. Upstream tables come first, so that nothing erased is derived again.
"""

import shutil
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from catalog.blocklist import block
from catalog.branch import drop_branches
from catalog.erasure_scope import PHOTO_TABLES, Unwanted, count_rows, unwanted
from catalog.erasures import Erasure, finish
from catalog.lake import Lake
from catalog.maintenance import carry_out, drop_deleted_entries, forget, plan
from catalog.storage import delete_folder
from catalog.stored_pca import load_pca
from catalog.tables import TABLES
from transforms.dbt import artifacts_folder, build_models
from transforms.publish import publish
from transforms.run import BuildResult, Run

_VIEW = "fruitlake_unwanted"


def pca_settings(lake: Lake, erasure: Erasure) -> dict[str, Any]:
    """The settings of the erasure's run about the PCA: it keeps the variance, and is refitted once, if at all."""
    pca = lake.current("gold.pca")
    if pca is None:
        return {}
    # published snapshots carry the erasure's id, so that a second attempt knows what is done
    return {"variance": load_pca(lake).variance_target, "refit": erasure.refit and pca.run != erasure.id}


def carry_out_erasure(run: Run, erasure: Erasure) -> str:
    """Complete a pending erasure in a run opened for it; nothing else may use the lake meanwhile.

    Returns the URI of its record.
    """
    drop_branches(run.spark, run.lake, keep=lambda name: False)  # rows of killed runs, and of the first attempt
    if erasure.block:
        block(run.lake, erasure.id, erasure.image_ids)
    if erasure.everything:
        _delete(run, "bronze.quarantine", unwanted(erasure, "bronze.quarantine"))
        _drop_tables(run)
    else:
        for table in PHOTO_TABLES:
            _delete(run, table, unwanted(erasure, table))
        if run.current("gold.pca") and run.current("gold.fruit_vectors"):
            marts = "label_summary", "label_similarity", "label_suspects"
            build_models(run, *(("tag:gold",) if erasure.refit else marts))
    _delete_traces(run)
    expired = sum(forget(run.spark, run.lake, table) for table in run.lake.existing_tables())
    carry_out(run.spark, run.lake, plan(run.spark, run.lake, timedelta(0), at_once=True))
    record = {
        "id": erasure.id,
        "selector": erasure.selector,
        "reason": erasure.reason,
        "requested_at": erasure.requested_at,
        "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": erasure.rows,
        "snapshots_expired": expired,
        "versions_removed": run.lake.delete_versions(),
        "pca_refitted": erasure.refit,
        "photos_blocked": len(erasure.image_ids) if erasure.block else 0,
        "producer": f"fruitlake {version('fruitlake')}",
    }
    return finish(run.lake, record)


def _delete(run: Run, table: str, values: Unwanted) -> None:
    if run.current(table) is None:
        return
    if count_rows(run.lake, table, values):
        none = run.spark.createDataFrame([], TABLES[table].ddl)
        publish(run, table, BuildResult(none, delete=_condition(run, values)))
    drop_deleted_entries(run.spark, run.lake, table)
    current = run.lake.current(table)
    assert current is not None  # it was there
    run.snapshots[table] = current


def _condition(run: Run, values: Unwanted) -> str:
    """SQL condition for rows with any of the values; there may be many, so they are joined rather than listed."""
    conditions = []
    for column, wanted in values.items():
        if wanted:
            rows = run.spark.createDataFrame([(value,) for value in sorted(wanted)], f"{column} string")
            rows.createOrReplaceTempView(f"{_VIEW}_{column}")
            conditions.append(f"{column} IN (SELECT {column} FROM {_VIEW}_{column})")
    return " OR ".join(conditions)


def _drop_tables(run: Run) -> None:
    """Drop all tables but the list of rejected files, because no photo is left."""
    for table in TABLES:
        if table != "bronze.quarantine":
            if run.lake.load(table) is not None:
                run.lake.catalog.drop_table(run.lake.identifier(table))
            delete_folder(run.lake.location(table))
            run.snapshots.pop(table, None)


def _delete_traces(run: Run) -> None:
    """Delete what shows or may name photos: reports, checkpoints of streams, and dbt's logs.

    dbt's compiled models name no photos and stay.
    """
    delete_folder(f"{run.lake.uri}/reports")
    delete_folder(run.lake.checkpoints)
    folder = artifacts_folder(run.options.cache, run.lake.uri)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    (folder / "target" / "run_results.json").unlink(missing_ok=True)
