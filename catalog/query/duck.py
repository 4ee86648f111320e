"""Run Athena's SQL on this machine: DuckDB over the snapshots' files, in a folder or in S3.

DuckDB can only access the snapshots' rows: it may not open files or load extensions.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from threading import Thread

import duckdb
import pyarrow as pa
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from catalog.errors import QueryError
from catalog.lake import Lake
from catalog.query.answer import Answer
from catalog.query.as_of import version
from catalog.query.text import by_layer, check_no_time_of_its_own, parse
from catalog.query.trino import MACROS, to_duckdb
from catalog.scan import dataset
from catalog.tables import TABLES

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}
_SCHEMA = MappingSchema(dialect="spark")
for _table in TABLES.values():
    _SCHEMA.add_table(_table.name, {c.name: c.type for c in _table.columns})


@dataclass(frozen=True)
class DuckDB:
    """Runs queries on the lake's current state, or as of a given time."""

    lake: Lake
    as_of: datetime | None = None

    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        """Run one SELECT; the values replace the question marks, in order. Raises QueryError."""
        query = by_layer(parse(sql, values), self.lake.prefix)
        check_no_time_of_its_own(query)
        started = time.monotonic()
        with duckdb.connect(config=_CLOSED) as connection:
            connection.execute("SET enable_progress_bar = false")  # DuckDB draws it on stdout, in the middle of a CSV
            connection.execute("SET TimeZone = 'UTC'")  # as in Athena, regardless of this machine's time zone
            connection.execute(MACROS)
            # names without a layer are defined by a WITH
            for layer, name in sorted({(t.db.lower(), t.name.lower()) for t in query.find_all(exp.Table) if t.db}):
                snapshot = version(self.lake, f"{layer}.{name}", self.as_of)
                connection.register(f"{layer}_{name}", dataset(self.lake, f"{layer}.{name}", snapshot.id))
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
                connection.execute(f"CREATE VIEW {layer}.{name} AS SELECT * FROM {layer}_{name}")
            rows = _rows(connection, _translate(query), values)
        return Answer(rows, "DuckDB", time.monotonic() - started)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[str]) -> pa.Table:
    """Run the query in another thread, so that this one can handle Ctrl-C."""
    outcome: Future[pa.Table] = Future()

    def run() -> None:
        try:
            outcome.set_result(connection.sql(sql, params=list(values)).to_arrow_table())
        except Exception as error:  # noqa: BLE001  # raised again by outcome.result()
            outcome.set_exception(error)

    beside = Thread(target=run, daemon=True)
    try:
        beside.start()
        return _whole(outcome.result())
    except duckdb.Error as error:
        raise QueryError(f"DuckDB: {str(error).strip().splitlines()[0]}") from error
    finally:
        while beside.is_alive() and wait([outcome], timeout=0.1).not_done:  # Ctrl-C; ignored during planning
            connection.interrupt()


def _whole(rows: pa.Table) -> pa.Table:
    """Cast sums of integers to bigint, as in Athena; DuckDB returns decimal(38, 0)."""
    sums = pa.decimal128(38, 0)
    return rows.cast(pa.schema([f.with_type(pa.int64()) if f.type == sums else f for f in rows.schema]))


def _translate(query: exp.Query) -> str:
    try:
        named = qualify(query, dialect="athena", schema=_SCHEMA, expand_stars=False, quote_identifiers=False)
    except SqlglotError as error:
        raise QueryError(f"the query refers to something that does not exist: {error}") from error
    typed = annotate_types(named, _SCHEMA, dialect="athena")  # the result depends on types: 7 / 2 is 3 in Athena
    try:
        return to_duckdb(typed).sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise QueryError(f"DuckDB cannot run this, only Athena: {error}") from error
