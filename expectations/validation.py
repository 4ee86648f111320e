"""Validate the rows written to a table against its contract, in one Spark job per table.

written ──mapInArrow, 16 MB at a time──▶ pandera (contracts.py) ──▶ (column, check, rows, up to five keys)
whole   ──keys──▶ duplicate keys

Few rows are validated in this process, because a Spark job would take longer (`FileScan.small`).
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.parquet import FileScan
from catalog.tables import Table, arrow_schema
from expectations.check_result import key_in_words

_CHUNK = 16 * 1024 * 1024  # bytes of rows per pandera call; each call costs 5 ms by itself
_EXAMPLES = 5
_FOUND = "column string, check string, rows bigint, examples array<string>"
_CHECKED = ""  # in place of a check's name: the row counts the rows that were validated

Batches = Iterable[pa.RecordBatch]


@dataclass
class Violation:
    """A check that failed. rows: how many rows fail it; examples: the keys of a few of them."""

    column: str
    check: str
    rows: int
    examples: list[str]

    def in_words(self, rows: int) -> str:
        """Describe the violation. rows: how many were validated."""
        keys = " · ".join(self.examples)
        return f"column {self.column} breaks {self.check} in {self.rows:,} of {rows:,} rows, for example {keys}"


def load() -> None:
    """Import Polars and pandera. This takes half a second, so call it only to validate, or while waiting anyway."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # a task has one core, and small tables need no more
    with _hidden("hypothesis"):  # where it is installed, for the tests, pandera imports it, and it pytest: 0.4 s
        importlib.import_module("expectations.contracts")
        importlib.import_module("pandera.backends.polars.builtin_checks")  # pandera would do so for its first check


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let a package that has not been imported yet seem not to be installed."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


def violations(table: Table, written: FileScan | DataFrame, k: int | None) -> tuple[int, list[Violation]]:
    """Validate rows against the contract; returns the number of rows and the checks that failed."""
    validate, scan = _validate(table, k), written.select(*[c.name for c in table.columns])
    if isinstance(scan, FileScan) and scan.small:
        parts = [Violation(**row) for batch in validate(scan.batches()) for row in batch.to_pylist()]
    else:
        parts = [Violation(**row.asDict()) for row in scan.mapInArrow(validate, _FOUND).collect()]
    rows, found = 0, dict[tuple[str, str], Violation]()
    for part in parts:
        if part.check == _CHECKED:
            rows += part.rows
            continue
        violation = found.setdefault((part.column, part.check), Violation(part.column, part.check, 0, []))
        violation.rows += part.rows
        violation.examples = [*violation.examples, *part.examples][:_EXAMPLES]
    return rows, list(found.values())


def repeated_keys(table: Table, whole: DataFrame, written: DataFrame | None) -> list[Violation]:
    """Find duplicate keys in the whole table; if written is given, look only for the keys it has."""
    key = list(table.key)
    keys = whole.select(key)
    if written is not None:
        keys = keys.join(written.select(key).distinct(), key, "left_semi")
    repeated = keys.groupBy(key).agg((F.count("*") - 1).alias("more")).where("more > 0")
    rows = repeated.agg(F.sum("more")).first()
    if rows is None or not rows[0]:
        return []
    return [_repeated(table, rows[0], [row.asDict() for row in repeated.select(key).limit(_EXAMPLES).collect()])]


def repeated_keys_of_few(table: Table, whole: ds.Dataset) -> list[Violation]:
    """Find duplicate keys in the whole table, in this process."""
    key = list(table.key)
    counts = whole.to_table(key).group_by(key).aggregate([([], "count_all")])
    repeated = counts.filter(pc.field("count_all") > 1)
    if not len(repeated):
        return []
    rows = pc.sum(repeated["count_all"]).as_py() - len(repeated)
    return [_repeated(table, rows, repeated.select(key).slice(0, _EXAMPLES).to_pylist())]


def _repeated(table: Table, rows: int, examples: list[dict[str, object]]) -> Violation:
    return Violation(", ".join(table.key), "unique", rows, [key_in_words(row) for row in examples])


def _validate(table: Table, k: int | None) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def validate(batches: Batches) -> Iterator[pa.RecordBatch]:
        load()
        import polars as pl

        from expectations.contracts import broken_checks

        for chunk in _chunks(batches):
            rows = pl.DataFrame(pa.Table.from_batches(chunk))
            found = [Violation("", _CHECKED, len(rows), [])]
            for column, check, where in broken_checks(table.name, rows, k):
                wrong = rows.select(table.key) if where is None else rows.select(table.key).filter(where)
                examples = [key_in_words(row) for row in wrong.head(_EXAMPLES).to_dicts()]
                found.append(Violation(column, check, len(wrong), examples))
            yield pa.RecordBatch.from_pylist([asdict(violation) for violation in found], arrow_schema(_FOUND))

    return validate


def _chunks(batches: Batches) -> Iterator[list[pa.RecordBatch]]:
    """Group batches into chunks of at least _CHUNK bytes."""
    chunk, size = list[pa.RecordBatch](), 0
    for batch in batches:
        chunk.append(batch)
        size += batch.nbytes
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
