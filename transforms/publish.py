"""Publish a change of a table, always in the same way: write it to a branch, audit the branch, fast-forward `main`.

    BuildResult ──▶ catalog/branch.py ──▶ expectations/audit.py ──▶ main

Readers do not see the change until `main` moves. If anything fails before, the branch is dropped, and nothing changes.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame

from catalog.branch import AuditBranch
from catalog.erasures import check_none_since
from catalog.parquet import FileScan
from catalog.scan import dataset_of
from catalog.stored_pca import load_pca
from catalog.tables import IMAGES, PCA, TABLES, Table
from expectations.audit import check_schema, validate
from expectations.audited import Audited, PcaInUse, Previous
from transforms.facts import facts_of
from transforms.run import BuildResult, Published, Run


def publish(
    run: Run, name: str, change: BuildResult | None, inputs: str = "", upstream: Sequence[str] = ()
) -> Published:
    """Publish a change as the table's next snapshot; None, or no rows to add, leaves the table as it is.

    A bronze table's first snapshot is published even if it is empty, so that the table can be queried.

    Args:
        run: the run that publishes; its snapshots are replaced by what it publishes.
        name: the table, `gold.fruit_vectors`.
        change: rows to add or to replace all rows with, or which rows to delete.
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
        change = BuildResult(run.spark.createDataFrame([], table.ddl), expected=0)
    if change is None:
        return _outcome(run, name, started)
    check_schema(table, change.rows)
    branch = AuditBranch(run.spark, run.lake, table, run.id, base)
    try:
        audited = _audited(run, table, change)
        written, scan = _write(run, branch, table, change)
        files = {"whole": dataset_of(table, branch.files())}
        if isinstance(scan, FileScan):
            files["written"] = dataset_of(table, scan.files)
        whole = written if change.replace else branch.rows()
        result = validate(replace(audited, written=written, whole=whole, files=files), scan, run.suites)
        if base and not (change.replace or change.delete or result.rows):
            return _outcome(run, name, started)
        run.check_current((name, *upstream))  # S3 has no lock: the table may have been rolled back in the meantime
        if not run.erasing:
            check_none_since(run.lake, run.id)
        branch.fast_forward(facts_of(run, audited, result, inputs))
    finally:
        branch.drop()
    published = run.lake.current(name)
    assert published is not None  # main was moved a moment ago
    run.snapshots[name] = published
    return _outcome(run, name, started, result.rows)


def _write(run: Run, branch: AuditBranch, table: Table, change: BuildResult) -> tuple[DataFrame, FileScan | DataFrame]:
    """Write the change to the branch; returns the added rows in two forms: a DataFrame, and a fast scan."""
    if change.delete:
        branch.delete(change.delete)
        return change.rows, change.rows
    if change.replace or change.expected != 0:  # appending nothing also takes a Spark job
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


def _audited(run: Run, table: Table, change: BuildResult) -> Audited:
    """The change, with what the run knows about it; its rows are those that are to be written."""
    base, rows = run.current(table.name), run.table(table.name)
    counts = run.ingested() if table is IMAGES else None
    pca = load_pca(run.lake) if table.layer == "gold" and table is not PCA and run.current(PCA.name) else None
    return Audited(
        table,
        written=change.rows,
        whole=change.rows,
        previous=Previous(rows, base.rows, base.properties.get("pca_id")) if base and rows is not None else None,
        variance=run.options.variance,
        new_files=run.read().accepted if counts else None,
        new_photos=counts.stored if counts else None,
        expected_rows=change.expected,
        pca=PcaInUse(pca.pca_id, pca.k) if pca else None,
        explained=change.explained,
        erasing=run.erasing,
        inputs={name: snapshot.rows for name, snapshot in run.snapshots.copy().items()},  # another thread may add one
        relabelled=_relabelled(run, table, change),
    )


def _relabelled(run: Run, table: Table, change: BuildResult) -> frozenset[str]:
    """Labels that photos move away from; for a mart, in all snapshots of the vectors since its own last one."""
    before = run.table(table.name)
    if change.corrections is not None and before is not None:
        moved = before.join(change.corrections.select("image_id"), "image_id", "left_semi")
        return frozenset(row["label"] for row in moved.select("label").distinct().collect())
    mart = run.current(table.name)
    if not table.name.startswith("gold.label") or mart is None:
        return frozenset()
    since = (v for v in run.lake.history("gold.fruit_vectors") if v.created_at > mart.created_at)
    return frozenset(label for v in since for label in json.loads(v.properties.get("relabelled", "[]")))


def _outcome(run: Run, name: str, started: float, added: int | None = None) -> Published:
    """Record the table's outcome. added: None if it was left as it is."""
    new = added is not None
    run.outcomes[name] = Published(name, run.current(name), new, time.monotonic() - started, added or 0)
    return run.outcomes[name]
