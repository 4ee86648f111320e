"""Parse SQL: allow only SELECT, and replace the names of the lake's tables by the engine's names."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from catalog.errors import QueryError
from catalog.tables import TABLES

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # `parse` rejects what sqlglot warns about


def parse(sql: str, values: Sequence[str] = ()) -> exp.Query:
    """Parse one SELECT with as many question marks as there are values. Raises QueryError for anything else."""
    query = _select(sql)
    marks = sum(1 for _ in query.find_all(exp.Placeholder))
    if marks != len(values):
        raise QueryError(f"the query has {marks} question marks and was given {len(values)} values: give one for each")
    return query


def for_athena(sql: str, prefix: str, as_of: datetime | None = None) -> str:
    """The text, comments included, with Athena's table names, each table read as of the given time, if any.

    Raises QueryError if a time is given and the query has a foreign table, or its own FOR … AS OF.
    """
    query = _select(sql)
    at = ""
    if as_of:
        at = f" FOR TIMESTAMP AS OF TIMESTAMP '{as_of.replace(tzinfo=None).isoformat(' ', 'milliseconds')} UTC'"
        check_no_time_of_its_own(query)
        _check_only_lake_tables(query, prefix)
    edits = []
    for node, name in _named(query, prefix):
        database = node.args["db"].meta
        edits.append((database["start"], database["end"] + 1, f"{prefix}_{name.split('.')[0]}"))
        if at and isinstance(node, exp.Table):
            end = node.this.meta["end"] + 1
            edits.append((end, end, at))
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def by_layer(query: exp.Query, prefix: str) -> exp.Query:
    """A copy of the query in which every table of the lake is named by its layer."""
    query = query.copy()
    for node, name in list(_named(query, prefix)):
        node.set("db", exp.to_identifier(name.split(".")[0]))
    return query


def lake_tables(query: exp.Query, prefix: str) -> list[str]:
    """The lake's tables that the query reads, named by layer."""
    return sorted({name for node, name in _named(query, prefix) if isinstance(node, exp.Table)})


def check_no_time_of_its_own(query: exp.Query) -> None:
    """Raise QueryError for `FOR VERSION AS OF` and the like."""
    if any(table.args.get("version") for table in query.find_all(exp.Table)):
        raise QueryError(
            "FOR VERSION AS OF and FOR TIMESTAMP AS OF are Athena's alone: leave them out, and give --as-of, "
            "which holds for every table of the query"
        )


def _check_only_lake_tables(query: exp.Query, prefix: str) -> None:
    """Raise QueryError for a table that is neither the lake's nor defined by the query's WITH."""
    own = {with_.alias.lower() for with_ in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.lower() in own):
            continue
        if _lake_name(table, prefix) is None:
            raise QueryError(f"'{exp.table_name(table)}' is not a table of the lake: it has {', '.join(TABLES)}")


def _named(query: exp.Query, prefix: str) -> Iterator[tuple[exp.Table | exp.Column, str]]:
    """Nodes that name one of the lake's tables, as a source or to qualify a column, with its name by layer."""
    for node in query.find_all(exp.Table, exp.Column):
        assert isinstance(node, exp.Table | exp.Column)
        if name := _lake_name(node, prefix):
            yield node, name


def _lake_name(node: exp.Table | exp.Column, prefix: str) -> str | None:
    table = node.name if isinstance(node, exp.Table) else node.table
    name = f"{node.db.lower().removeprefix(f'{prefix}_')}.{table.lower()}"
    return name if name in TABLES and not node.catalog else None


def _select(sql: str) -> exp.Query:
    try:
        statements = [s for s in sqlglot.parse(sql, read="athena") if s is not None]
    except SqlglotError as error:
        raise QueryError(f"this is not SQL that Athena takes: {str(error).strip().splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise QueryError("a query only reads: give one SELECT (or WITH … SELECT), and nothing else")
    return statements[0]
