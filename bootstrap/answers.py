"""A query's answer for a person, a spreadsheet or the next program: table, CSV or Parquet.

Answer ──▶ stdout, or a file that is there whole or not at all
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.errors import QueryError
from catalog.query.answer import Answer
from catalog.storage import write_object

_SHOWN = 100  # rows of a table on a terminal; a file has all
_ID = re.compile(r"[0-9a-f]{64}")  # an image_id: its first digits name a photo as well
_DIGITS = 12


class Format(StrEnum):
    table = "table"
    csv = "csv"
    parquet = "parquet"


def format_of(asked: Format | None, output: Path | None) -> Format:
    """The format that was asked for, else what the file's name says, else a table.

    Raises QueryError for Parquet without a file, which a terminal cannot show, and for a file in a bucket.
    """
    if output and output.parts[:1] in (("s3:",), ("s3a:",)):  # a folder of that name would be made here
        raise QueryError("--output takes a file on this machine: give one, and copy it with `aws s3 cp`")
    named = {".csv": Format.csv, ".parquet": Format.parquet}.get(output.suffix.lower() if output else "")
    form = asked or named or Format.table
    if form is Format.parquet and output is None:
        raise QueryError("Parquet is for files: give --output FILE, too")
    return form


def deliver(answer: Answer, form: Format, output: Path | None, console: Console) -> None:
    """Write the answer where it was asked for. Raises QueryError if the file cannot be written."""
    if output is None:
        if form is Format.csv:
            console.file.write(_csv(answer.rows))
        else:
            console.print(_table(answer.rows.slice(0, _SHOWN)))
            if answer.rows.num_rows > _SHOWN:
                console.print(f"… and {answer.rows.num_rows - _SHOWN:,} more rows: --output FILE.csv has all")
        return
    try:
        if output.exists() and not output.is_file():  # a device or a pipe is written, never replaced
            output.write_bytes(_bytes(answer.rows, form))
        else:
            write_object(str(output.absolute()), _bytes(answer.rows, form))
    except OSError as error:
        raise QueryError(f"'{output}' cannot be written ({error.strerror}): give --output another file") from error


def _bytes(rows: pa.Table, form: Format) -> bytes:
    if form is Format.parquet:
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        return buffer.getvalue()
    if form is Format.csv:
        return _csv(rows).encode()
    text = io.StringIO()
    Console(file=text, width=200).print(_table(rows))
    return text.getvalue().encode()


def _csv(rows: pa.Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows(zip(*([_plain(v) for v in column.to_pylist()] for column in rows.columns), strict=True))
    return text.getvalue()


def _table(rows: pa.Table) -> Table:
    table = Table()
    for field in rows.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(escape(field.name), justify="right" if number else "left", overflow="fold")
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        table.add_row(*(escape(_short(value)) for value in row))
    return table


def _plain(value: object) -> str:
    """A value as CSV has it: everything, nothing rounded."""
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


def _short(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list) and len(value) > 4:
        return f"[{', '.join(_short(v) for v in value[:3])}, … {len(value):,} values]"
    text = _plain(value)
    return f"{text[:_DIGITS]}…" if _ID.fullmatch(text) else text
