"""Format rows as CSV, with full precision."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import pyarrow as pa


def as_csv(rows: pa.Table | pa.RecordBatch, header: bool = True) -> str:
    """Lines of text that end with a newline."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(rows.schema.names)
    writer.writerows(zip(*([plain(v) for v in column.to_pylist()] for column in rows.columns), strict=True))
    return text.getvalue()


def plain(value: object) -> str:
    """Format one value: bytes as hex, arrays as JSON, null as empty text."""
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
