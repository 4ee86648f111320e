"""Print a query's result, or write it atomically to a file, as a table, CSV or Parquet."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.errors import QueryError
from catalog.query.answer import Answer
from catalog.storage import write_object

_SHOWN = 100  # rows printed on a terminal; files get all rows
_ID = re.compile(r"[0-9a-f]{64}")  # an image_id, which tables abbreviate
_DIGITS = 12


class Format(StrEnum):
    """Output formats of a query."""

    table = "table"
    csv = "csv"
    parquet = "parquet"


def format_of(asked: Format | None, output: Path | None) -> Format:
    """The given format, or the one by the file's name, or a table. Raises QueryError if it does not fit the file."""
    if output and output.parts[:1] in (("s3:",), ("s3a:",)):  # otherwise, it would create a local folder `s3:`
        raise QueryError("--output takes a file on this machine: give one, and copy it with `aws s3 cp`")
    named = {".csv": Format.csv, ".parquet": Format.parquet}.get(output.suffix.lower() if output else "")
    form = asked or named or Format.table
    if form is Format.parquet and output is None:
        raise QueryError("Parquet is for files: give --output FILE, too")
    return form


def deliver(answer: Answer, form: Format, output: Path | None, console: Console) -> None:
    """Print the result, or write it to the file. Raises QueryError if the file cannot be written."""
    if output is None:
        if form is Format.csv:
            console.file.write(as_csv(answer.rows))
        else:
            console.print(_table(answer.rows.slice(0, _SHOWN)))
            if answer.rows.num_rows > _SHOWN:
                console.print(f"… and {answer.rows.num_rows - _SHOWN:,} more rows: --output FILE.csv has all")
        return
    content = _bytes(answer.rows, form)
    try:
        if output.exists() and not output.is_file():  # a device or pipe is written to, not replaced
            output.write_bytes(content)
        else:
            write_object(str(output.absolute()), content)
    except OSError as error:
        raise QueryError(f"'{output}' cannot be written ({error.strerror}): give --output another file") from error


def as_csv(rows: pa.Table | pa.RecordBatch, header: bool = True) -> str:
    """Rows as CSV with full precision, in lines that end with a newline."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(rows.schema.names)
    writer.writerows([_plain(value) for value in row] for row in _tuples(rows))
    return text.getvalue()


def _bytes(rows: pa.Table, form: Format) -> bytes:
    if form is Format.csv:
        return as_csv(rows).encode()
    if form is Format.parquet:
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        return buffer.getvalue()
    text = io.StringIO()
    Console(file=text, width=200).print(_table(rows))
    return text.getvalue().encode()


def _table(rows: pa.Table) -> Table:
    table = Table()
    for field in rows.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(escape(field.name), justify="right" if number else "left", overflow="fold")
    for row in _tuples(rows):
        table.add_row(*(escape(_short(value)) for value in row))
    return table


def _tuples(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def _short(value: object) -> str:
    """A value for a table: rounded, and abbreviated if it is long."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list) and len(value) > 4:
        return f"[{', '.join(_short(v) for v in value[:3])}, … {len(value):,} values]"
    text = _plain(value)
    return f"{text[:_DIGITS]}…" if _ID.fullmatch(text) else text


def _plain(value: object) -> str:
    """A value as text: bytes as hex, arrays as JSON, null as empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
