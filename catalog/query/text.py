"""SQL as text: let only reading through, and say where Athena finds the lake's tables.

The text stays as its author wrote it, comments included; only the names of our own tables change.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from catalog.errors import QueryError
from catalog.tables import TABLES

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of, `parse` refuses


def parse(sql: str, values: Sequence[str] = ()) -> exp.Query:
    """The one SELECT of the text, with as many question marks as there are values.

    Raises QueryError for anything else, and for what is not Athena's SQL.
    """
    try:
        statements = [s for s in sqlglot.parse(sql, read="athena") if s is not None]
    except SqlglotError as error:
        raise QueryError(f"this is not SQL that Athena takes: {_first_line(error)}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise QueryError("a query only reads: give one SELECT (or WITH … SELECT), and nothing else")
    marks = sum(1 for _ in statements[0].find_all(exp.Placeholder))
    if marks != len(values):
        raise QueryError(f"the query has {marks} question marks and was given {len(values)} values: give one for each")
    return statements[0]


def for_athena(sql: str, prefix: str) -> str:
    """The same text with `gold.fruit_vectors` named as Athena knows it, `<prefix>_gold.fruit_vectors`."""
    tokens = sqlglot.tokenize(sql, read="trino")
    text, done = [], 0
    for layer, dot, table in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if dot.token_type is TokenType.DOT and f"{_name(layer)}.{_name(table)}" in TABLES:
            text += [sql[done : layer.start], f"{prefix}_{_name(layer)}"]
            done = layer.end + 1
    return "".join([*text, sql[done:]])


def _name(token: Token) -> str:
    return token.text.lower()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
