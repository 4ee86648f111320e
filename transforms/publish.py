"""Publish a model's rows: write ─▶ audit ─▶ register. The only place that knows all three.

    DataFrame ──▶ <lake>/<layer>/<table>/{batch|snapshot}=<run id>/ ──read back──▶ audit ──▶ catalog pointer

A folder is written once and never changed. Until the pointer moves no reader sees it; if anything fails
before that, it is removed and what was current stays current.
"""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.metadata import version
from urllib.parse import unquote

from pyspark.sql import DataFrame

from catalog.attach import attach_snapshot
from catalog.erasures import check_none_since
from catalog.snapshot import Snapshot
from catalog.storage import delete_folder, files, for_spark, subfolders
from catalog.tables import TABLES, Table
from expectations.audit import AuditResult, audit, check_schema
from transforms.facts import facts_of
from transforms.grounds import grounds_of
from transforms.lineage import lineage_of
from transforms.run import Published, Run

CANDIDATE = "candidate.snapshot"  # the session's name for what was written and is not yet published


def publish(run: Run, name: str, rows: DataFrame | None, inputs: str = "") -> Published:
    """Publish rows as the table's next snapshot; None or, for an appending table, no rows: nothing new.

    An appending table's first snapshot is published even if it is empty, so that the table can be queried.
    inputs names what the rows were made of; it is stored, and tells the next run whether it changed.
    Raises AuditError, ConcurrentPublishError, ErasedMeanwhileError, or what Spark raises while it computes the rows.
    """
    started = time.monotonic()
    table = TABLES[name]
    current = run.current(name)
    if rows is None and table.mode == "append" and current is None:
        rows = run.spark.createDataFrame([], ", ".join(f"{c.name} {c.type}" for c in table.columns))
    if rows is None:
        return _outcome(run, Published(name, current, False, time.monotonic() - started))
    check_schema(table, rows)
    expected = run.take_expected()
    folder = f"{name.replace('.', '/')}/{'batch' if table.mode == 'append' else 'snapshot'}={run.id}"
    try:
        _write(run, table, rows, f"{run.catalog.lake}/{folder}", expected)
        written = run.spark.table(attach_snapshot(run.spark, run.catalog.lake, _added(run, table, folder), CANDIDATE))
        result = audit(table, written, current, run.table(name), facts_of(run, name, expected), run.suites)
        if table.mode == "append" and current is not None and not result.rows:
            delete_folder(f"{run.catalog.lake}/{folder}")
            return _outcome(run, Published(name, current, False, time.monotonic() - started))
        made_by = {"inputs": inputs, **lineage_of(run, name), **grounds_of(run, name)}
        snapshot = _next(_added(run, table, folder), table, current, result, made_by)
        if not run.erasing:
            check_none_since(run.catalog.lake, run.id)
        run.catalog.publish(snapshot)
    except BaseException:
        if not _is_current(run, name):  # stopped after the pointer had moved, it is published
            delete_folder(f"{run.catalog.lake}/{folder}")
        raise
    attach_snapshot(run.spark, run.catalog.lake, snapshot)
    run.snapshots[name] = snapshot
    return _outcome(run, Published(name, snapshot, True, time.monotonic() - started))


def _write(run: Run, table: Table, rows: DataFrame, uri: str, expected: int | None) -> None:
    stored = [c.name for c in table.stored]
    with run.progress(f"writing {table.name}", expected):
        if table.mode == "append" or table.partition is None:
            rows.select(stored).write.parquet(for_spark(uri))
        else:
            # hashing by the partition column brings each value to one task: one file a value
            by_value = rows.select(*stored, table.partition).repartition(table.partition)
            by_value.write.partitionBy(table.partition).parquet(for_spark(uri))


def _added(run: Run, table: Table, folder: str) -> Snapshot:
    """A snapshot of just the folder that was written."""
    uri = f"{run.catalog.lake}/{folder}"
    if table.mode == "append":
        partitions = {run.id: folder}
    else:
        mark = f"{table.partition}="
        found = [sub for sub in subfolders(uri) if sub.startswith(mark)]
        partitions = {unquote(sub.removeprefix(mark)): f"{folder}/{sub}" for sub in found}
    size = sum(f.size for f in files(uri) if f.path.endswith(".parquet"))
    return Snapshot(
        table.name, run.id, folder, table.columns, 0, size, partition_by=table.partition, partitions=partitions
    )


def _next(
    added: Snapshot, table: Table, current: Snapshot | None, result: AuditResult, made_by: dict[str, str]
) -> Snapshot:
    """The table's next snapshot: what was added and, for an appending table, all that is already there."""
    kept = current if current is not None and table.mode == "append" else None
    return replace(
        added,
        location=table.name.replace(".", "/") if table.mode == "append" else added.location,
        rows=result.rows + (kept.rows if kept else 0),
        bytes=added.bytes + (kept.bytes if kept else 0),
        partitions={**(kept.partitions if kept else {}), **added.partitions},
        parameters={
            "rows_added": str(result.rows),
            **made_by,
            "producer": f"fruitlake {version('fruitlake')}",
            **result.parameters(),
        },
        parent=current.id if current else None,
    )


def _is_current(run: Run, name: str) -> bool:
    current = run.catalog.current(name)
    return current is not None and current.id == run.id


def _outcome(run: Run, published: Published) -> Published:
    run.outcomes[published.table] = published
    return published
