"""Athena's answer, text in pages, as Arrow: numbers, times and truth values get their types back.

pages of {Rows, ResultSetMetadata} ──▶ pa.Table; arrays, maps and rows stay the text that Athena makes of them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from mypy_boto3_athena.type_defs import ColumnInfoTypeDef, GetQueryResultsOutputTypeDef, RowTypeDef

_READ: dict[str, tuple[pa.DataType, Callable[[str], object]]] = {
    "boolean": (pa.bool_(), lambda text: text == "true"),
    "tinyint": (pa.int8(), int),
    "smallint": (pa.int16(), int),
    "integer": (pa.int32(), int),
    "bigint": (pa.int64(), int),
    "float": (pa.float32(), float),
    "real": (pa.float32(), float),
    "double": (pa.float64(), float),
    "date": (pa.date32(), date.fromisoformat),
    "timestamp": (pa.timestamp("us"), datetime.fromisoformat),
}


def to_arrow(pages: Sequence[GetQueryResultsOutputTypeDef]) -> pa.Table:
    """All rows of all pages; columns of the same name keep it."""
    infos = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    rows = [row for page in pages for row in page["ResultSet"]["Rows"]]
    names = [info["Name"] for info in infos]
    if rows and _texts(rows[0]) == names:  # the first page starts with the header
        rows = rows[1:]
    columns = [_column(info, values) for info, values in zip(infos, _transposed(rows, len(infos)), strict=True)]
    return pa.Table.from_arrays(columns, names=names)


def _column(info: ColumnInfoTypeDef, texts: Iterable[str | None]) -> pa.Array:
    type_, read = _READ.get(info["Type"], (pa.string(), str))
    if info["Type"] == "decimal":
        type_, read = pa.decimal128(info["Precision"], info["Scale"]), Decimal
    values: list[Any] = [None if text is None else read(text) for text in texts]
    return pa.array(values, type_)


def _transposed(rows: Sequence[RowTypeDef], width: int) -> list[list[str | None]]:
    texts = [_texts(row) for row in rows]
    return [[row[index] for row in texts] for index in range(width)]


def _texts(row: RowTypeDef) -> list[str | None]:
    return [cell.get("VarCharValue") for cell in row["Data"]]  # a null has no value at all
