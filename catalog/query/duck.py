"""Athena's SQL answered on this machine: DuckDB over the current snapshots.

    catalog ──datasets──▶ views bronze.images … gold.label_similarity ─┐
    SQL for Athena ──sqlglot──▶ SQL for DuckDB ────────────────────────┴──▶ Answer

DuckDB sees the snapshots' rows and nothing else: it may open no file and load no extension.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from catalog.datasets import dataset
from catalog.errors import CatalogError, QueryError
from catalog.protocol import Catalog
from catalog.query.answer import Answer
from catalog.query.text import parse
from catalog.tables import TABLES

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}
_WHOLE = exp.DataType.INTEGER_TYPES
_SCHEMA = MappingSchema(dialect="spark")
for _table in TABLES.values():
    _SCHEMA.add_table(_table.name, {c.name: c.type for c in _table.columns})


class DuckDB:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._published = [t for t in catalog.tables() if t in TABLES]
        if not self._published:
            raise CatalogError(f"there is no lake at '{catalog.lake}': make one with `fruitlake run --lake …`")

    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        query = parse(sql, values)
        started = time.monotonic()
        with duckdb.connect(config=_CLOSED) as connection:
            self._attach(connection, _tables(query))
            rows = _rows(connection, translate(query), values)
        return Answer(rows, "DuckDB", time.monotonic() - started)

    def _attach(self, connection: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
        for table in tables:
            snapshot = self._catalog.current(table) if table in self._published else None
            if snapshot is None:
                raise QueryError(
                    f"the lake has no table {table}: it has {', '.join(self._published)}"
                    + (" so far; `fruitlake run` builds the others" if table in TABLES else "")
                )
            layer, name = table.split(".")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
            connection.register(f"{layer}_{name}", dataset(self._catalog.lake, snapshot))
            connection.execute(f"CREATE VIEW {layer}.{name} AS SELECT * FROM {layer}_{name}")


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[str]) -> pa.Table:
    """Run it beside this thread, which would not hear Ctrl-C while it works."""
    with ThreadPoolExecutor(1) as beside:
        rows = beside.submit(lambda: connection.sql(sql, params=list(values)).to_arrow_table())
        try:
            return rows.result()
        except duckdb.Error as error:
            raise QueryError(f"DuckDB: {_told(error)}") from error
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def translate(query: exp.Query) -> str:
    """The query in DuckDB's SQL.

    Raises QueryError for a column that is not there, and for what DuckDB has no equal of.
    """
    try:
        named = qualify(query.copy(), dialect="athena", schema=_SCHEMA, expand_stars=False, quote_identifiers=False)
    except SqlglotError as error:
        raise QueryError(f"the query names what is not there: {error}") from error
    typed = annotate_types(named, _SCHEMA, dialect="athena")  # 7 / 2 is 3 in Athena: only types tell
    try:
        return typed.transform(_as_duckdb).sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise QueryError(f"this cannot be asked of DuckDB, only of Athena: {error}") from error


def _as_duckdb(node: exp.Expression) -> exp.Expression:
    """What sqlglot does not know: `zip_with`, that `reduce`'s last argument may do nothing, that 2.5 casts to 3."""
    if isinstance(node, exp.Cast) and node.to.is_type(*_WHOLE) and node.this.is_type(*exp.DataType.FLOAT_TYPES):
        node.set("this", exp.Round(this=node.this))  # DuckDB alone would take the nearest even number
        return node
    if isinstance(node, exp.Reduce) and _does_nothing(node.args.get("finish")):
        node.set("finish", None)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "zip_with" and len(node.expressions) == 3:
        left, right, both = node.expressions
        pair = exp.to_identifier("pair")
        elements = {
            name.name: exp.Bracket(this=pair.copy(), expressions=[exp.Literal.number(index)])
            for index, name in enumerate(both.expressions)  # sqlglot counts from 0 whatever the dialect
        }
        body = both.this.transform(lambda e: elements[e.name].copy() if _is_any_of(e, elements) else e)
        zipped = exp.Anonymous(this="list_zip", expressions=[left, right])
        return exp.Transform(this=zipped, expression=exp.Lambda(this=body, expressions=[pair]))
    return node


def _does_nothing(function: exp.Expression | None) -> bool:
    return isinstance(function, exp.Lambda) and [function.this] == function.expressions


def _is_any_of(node: exp.Expression, names: dict[str, exp.Bracket]) -> bool:
    """Whether it is a lambda's argument, not a column's own name: `t.x` stays what it is."""
    return isinstance(node, exp.Identifier) and node.name in names and not isinstance(node.parent, exp.Column)


def _tables(query: exp.Query) -> list[str]:
    """Names of the lake's tables in the query; a name without a layer is a WITH's."""
    return sorted({f"{t.db}.{t.name}".lower() for t in query.find_all(exp.Table) if t.db})


def _told(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0]
