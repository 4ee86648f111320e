"""Publish a change of a table, always in the same way: write it to a branch, audit the branch, fast-forward `main`.

    BuildResult | Deletion ──▶ catalog/branch.py ──▶ expectations/audit.py ──▶ main

Readers do not see the change until `main` moves. If anything fails before, the branch is dropped, and nothing changes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from pyspark.sql import DataFrame

from catalog.branch import AuditBranch
from catalog.erasures import check_none_since
from catalog.scan import FileScan, dataset, dataset_of
from catalog.tables import TABLES, Table
from expectations.audit import AuditResult, Previous, check_schema, validate
from expectations.context import AuditContext, Intake, PcaInUse
from transforms.processing_purpose import purposes_of
from transforms.run import BuildResult, Published, Run


@dataclass(frozen=True)
class Deletion:
    """Rows to delete from a table: a Spark SQL condition."""

    condition: str


def publish(
    run: Run, name: str, change: BuildResult | Deletion | None, inputs: str = "", upstream: Sequence[str] = ()
) -> Published:
    """Publish a change as the table's next snapshot; None, or no rows to add, leaves the table as it is.

    A bronze table's first snapshot is published even if it is empty, so that the table can be queried.

    Args:
        run: the run that publishes; its snapshots are replaced by what it publishes.
        name: the table, `gold.fruit_vectors`.
        change: rows to add or to replace all rows with, or rows to delete.
        inputs: fingerprint of the inputs, stored with the snapshot, so that the next run can tell whether they changed.
        upstream: tables whose snapshots must still be the ones that this run works from.

    Raises:
        AuditError: the change breaks the table's contract or a critical expectation.
        ConcurrentPublishError: another run published the table, or one of upstream, in the meantime.
        ErasedMeanwhileError: photos were erased during the run.
    """
    started = time.monotonic()
    table, base = TABLES[name], run.current(name)
    if change is None and base is None and table.layer == "bronze":
        change = BuildResult(run.spark.createDataFrame([], table.ddl))
    if change is None:
        return _unchanged(run, name, started)
    if isinstance(change, BuildResult):
        check_schema(table, change.rows)
    branch = AuditBranch(run.spark, run.lake, table, run.id, base)
    try:
        previous = _previous(run, name)
        context = _context(run, name, change, previous)
        written, scan = _write(run, branch, table, change)
        whole = written if isinstance(change, BuildResult) and change.replace else branch.rows()
        files = dataset_of(table, branch.files())
        result = validate(table, scan, written, whole, files, previous, context, run.suites)
        if base and _adds_nothing(change, result):
            return _unchanged(run, name, started)
        branch.seal(_facts(run, name, change, result, context, inputs))
        run.check_current((name, *upstream))  # S3 has no lock: the table may have been rolled back in the meantime
        if not run.erasing:
            check_none_since(run.lake, run.id)
        branch.fast_forward()
    finally:
        branch.drop()
    published = run.lake.current(name)
    assert published is not None  # main was moved a moment ago
    run.snapshots[name] = published
    return _outcome(run, Published(name, published, True, time.monotonic() - started, result.rows))


def _write(
    run: Run, branch: AuditBranch, table: Table, change: BuildResult | Deletion
) -> tuple[DataFrame, FileScan | DataFrame]:
    """Write the change to the branch; returns the added rows in two forms: a DataFrame, and a fast scan."""
    if isinstance(change, Deletion):
        branch.delete(change.condition)
        nothing = branch.rows().limit(0)
        return nothing, nothing
    with run.progress(f"writing {table.name}", change.expected):
        (branch.overwrite if change.replace else branch.append)(change.rows)
    files = FileScan(run.spark, branch.new_files(), [c.name for c in table.columns])
    added = branch.rows() if change.replace else branch.added()
    if change.corrections is None:
        return added, files
    corrections = change.corrections.localCheckpoint()  # Spark 4.1 cannot plan a MERGE whose source reads its target
    branch.correct(corrections)
    added = added.unionByName(branch.rows().join(corrections.select("image_id"), "image_id", "left_semi"))
    return added, added


def _adds_nothing(change: BuildResult | Deletion, result: AuditResult) -> bool:
    return isinstance(change, BuildResult) and not change.replace and not result.rows


def _facts(
    run: Run, name: str, change: BuildResult | Deletion, result: AuditResult, context: AuditContext, inputs: str
) -> dict[str, str]:
    """The properties to store in the snapshot's summary."""
    return {
        "run_id": run.id,
        "first": str(run.current(name) is None).lower(),
        "rows_added": str(result.rows),
        "inputs": inputs,
        "producer": f"fruitlake {version('fruitlake')}",
        **({"relabelled": json.dumps(sorted(context.relabelled))} if context.relabelled else {}),
        **_lineage(run, name),
        **purposes_of(run, name),
        **result.properties(),
    }


def _lineage(run: Run, name: str) -> dict[str, str]:
    """The model and the PCA of the rows: bronze has neither, silver has a model, gold has both."""
    if name == "silver.image_features":
        return {"model_id": run.model_id} if not run.erasing else _stored(run, name)
    if name == "gold.pca":
        return {"model_id": run.model_id, "pca_id": run.id}
    return _stored(run, "gold.pca") if name.startswith("gold.") else {}


def _stored(run: Run, name: str) -> dict[str, str]:
    snapshot = run.current(name)
    stored = snapshot.properties if snapshot else {}
    return {fact: stored[fact] for fact in ("model_id", "pca_id") if fact in stored}


def _previous(run: Run, name: str) -> Previous | None:
    snapshot, rows = run.current(name), run.table(name)
    return Previous(rows, snapshot.rows, snapshot.properties.get("pca_id")) if snapshot and rows is not None else None


def _context(run: Run, name: str, change: BuildResult | Deletion, previous: Previous | None) -> AuditContext:
    building = isinstance(change, BuildResult)
    return AuditContext(
        variance=run.variance,
        intake=_intake(run) if name == "bronze.images" and building else None,
        expected_rows=change.expected if isinstance(change, BuildResult) else None,
        pca=_pca(run) if TABLES[name].layer == "gold" and name != "gold.pca" else None,
        explained=change.explained if isinstance(change, BuildResult) else None,
        erasing=run.erasing,
        inputs={table: snapshot.rows for table, snapshot in run.snapshots.items()},
        relabelled=_relabelled(run, name, change, previous),
    )


def _relabelled(run: Run, name: str, change: BuildResult | Deletion, previous: Previous | None) -> frozenset[str]:
    """Labels that photos move away from; for a mart, in all snapshots of the vectors since its own last one."""
    corrections = change.corrections if isinstance(change, BuildResult) else None
    if corrections is not None and previous is not None:
        old = previous.rows.join(corrections.select("image_id"), "image_id", "left_semi").select("label").distinct()
        return frozenset(row["label"] for row in old.collect())
    mart = run.current(name)
    if not name.startswith("gold.label") or mart is None:
        return frozenset()
    since = (v for v in run.lake.history("gold.fruit_vectors") if v.created_at > mart.created_at)
    return frozenset(label for v in since for label in json.loads(v.properties.get("relabelled", "[]")))


def _intake(run: Run) -> Intake | None:
    """What the run has read; None if it read no photos."""
    counts = run.ingested()
    return Intake(run.ingestion.accepted, counts.stored) if counts else None


def _pca(run: Run) -> PcaInUse | None:
    if run.current("gold.pca") is None:
        return None
    [row] = dataset(run.lake, "gold.pca").to_table(["pca_id", "k"]).to_pylist()
    return PcaInUse(row["pca_id"], row["k"])


def _unchanged(run: Run, name: str, started: float) -> Published:
    return _outcome(run, Published(name, run.current(name), False, time.monotonic() - started))


def _outcome(run: Run, published: Published) -> Published:
    run.outcomes[published.table] = published
    return published
