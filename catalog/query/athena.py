"""Run queries on Athena with PyAthena, which starts a query, waits, fetches the rows, and cancels it when interrupted.

The price is per terabyte read. A workgroup with provisioned capacity is billed by the hour instead. Requests to S3 and
Glue are billed separately.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from pyathena.connection import Connection
from pyathena.converter import DefaultTypeConverter
from pyathena.cursor import Cursor
from pyathena.error import Error
from pyathena.model import AthenaQueryExecution
from pyathena.util import RetryConfig

from catalog import aws
from catalog.errors import QueryError
from catalog.lake import Lake
from catalog.query.answer import Answer
from catalog.query.as_of import version
from catalog.query.text import for_athena, lake_tables, parse
from catalog.tables import TABLES, arrow_type

logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # our errors repeat what it logs
_POLL = 0.5  # seconds between polls
_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "varbinary": pa.binary(),
}
_AS_TEXT = ("array", "map", "row", "json", "time with time zone")
_VECTORS = {c.name: arrow_type(c.type) for t in TABLES.values() for c in t.columns if c.type.startswith("array<")}
_MB, _TB = 2**20, 2**40
_PER_TB, _PRICED, _PRICED_AT = 5.00, "us-east-1", "November 2026"  # US dollars, AWS' public price


@dataclass
class Athena:
    """Runs queries on the lake's current state, or as of a given time; progress is called with what is to be shown.

    Without an output location, the workgroup's is used.
    """

    lake: Lake
    workgroup: str = "primary"
    output_location: str | None = None
    as_of: datetime | None = None
    progress: Callable[[str], None] = lambda _: None
    _seen: AthenaQueryExecution | None = field(default=None, init=False)  # the query's last known state

    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        """Run one SELECT; the values replace the question marks, in order. Raises QueryError."""
        query = parse(sql, values)
        text = for_athena(sql, self.lake.prefix, self.as_of)
        for table in lake_tables(query, self.lake.prefix) if self.as_of else ():
            version(self.lake, table, self.as_of)  # Athena's error would not list the snapshots
        with told(self.workgroup), self._connection() as connection, connection.cursor() as cursor:
            try:
                cursor.execute(text, [literal(v) for v in values], paramstyle="qmark")
            except Error as error:
                if isinstance(error.__cause__, (BotoCoreError, ClientError)):
                    raise error.__cause__ from None
                raise QueryError(_why(self._seen, self.workgroup) if self._seen else str(error)) from error
            rows = _arrow(cursor)
            seconds = (cursor.total_execution_time_in_millis or 0) / 1000
            paid = price(cursor.data_scanned_in_bytes or 0, aws.region())
            if cursor.reused_previous_result:
                paid = "reused an earlier result, nothing scanned"
            return Answer(rows, "Athena", seconds, (paid, f"query {cursor.query_id}"))

    def _connection(self) -> Connection[Cursor]:
        converter = DefaultTypeConverter()
        for type_ in _AS_TEXT:  # Athena does not quote text inside them, so PyAthena could only guess
            converter.remove(type_)
        return Connection(
            session=aws.session(),
            region_name=aws.region(),
            config=aws.config(),
            work_group=self.workgroup,
            s3_staging_dir=self.output_location or "",
            schema_name=None,
            poll_interval=_POLL,
            on_poll=self._look,
            converter=converter,
            retry_config=RetryConfig(attempt=1),  # botocore retries
        )

    def _look(self, execution: Any) -> None:
        self._seen = execution
        if execution.state not in AthenaQueryExecution.TERMINAL_STATES:
            scanned = execution.data_scanned_in_bytes or 0
            self.progress(f"Athena: {execution.state.lower()}, {scanned:,} bytes scanned")


def literal(value: str) -> str:
    """Quote text as a SQL literal for Athena's ExecutionParameters; safe for any text."""
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def told(workgroup: str) -> Iterator[None]:
    """Turn Athena's errors into messages with a next step. Raises QueryError, or AwsError if not the query's fault."""
    with aws.explained("Athena cannot be asked"):
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {}).get("Message", "").lower()
            if "output location" in said:
                raise QueryError(
                    f"the workgroup '{workgroup}' names no place for results: give --output-location "
                    "s3://bucket/folder, or set one in the workgroup"
                ) from error
            if "workgroup" in said and ("not found" in said or "not exist" in said):
                raise QueryError(
                    f"there is no workgroup '{workgroup}' in {aws.region()}: give --workgroup NAME, or set AWS_REGION"
                ) from error
            raise


def _why(ended: AthenaQueryExecution, workgroup: str) -> str:
    """Message for a query that did not succeed."""
    reason = ended.state_change_reason or "no reason given"
    if ended.state == AthenaQueryExecution.STATE_FAILED:
        hint = ": is the lake published, and --database-prefix right?" if "NOT_FOUND" in reason else ""
        return f"Athena could not run the query: {reason}{hint}"
    if "limit" in reason.lower():
        return (
            f"the workgroup '{workgroup}' stopped the query at its limit of scanned bytes "
            f"({ended.data_scanned_in_bytes or 0:,} read): read fewer columns or labels, or have the limit raised"
        )
    return f"the query was cancelled in Athena: {reason}"


def _arrow(cursor: Cursor) -> pa.Table:
    """All rows, with the types that Athena reports; duplicate column names are kept."""
    rows: list[Any] = cursor.fetchall()
    described = cursor.description or []
    columns = [
        _column(name, type_, precision, scale, [row[index] for row in rows])
        for index, (name, type_, _, _, precision, scale, _) in enumerate(described)
    ]
    return pa.Table.from_arrays(columns, names=[name for name, *_ in described])


def _column(name: str, type_: str, precision: int, scale: int, values: list[Any]) -> pa.Array:
    if type_ == "decimal":
        return pa.array(values, pa.decimal128(precision, scale))
    if type_ == "array" and name in _VECTORS:
        with suppress(ValueError, TypeError):  # another array with this name stays text
            return pa.array([None if v is None else json.loads(v) for v in values], _VECTORS[name])
    return pa.array(values, _TYPES.get(type_, pa.string()))


def cost(scanned: int) -> float:
    """The price in US dollars of a query that read this many bytes: Athena rounds up to megabytes, to 10 at least."""
    return max(10, -(-scanned // _MB)) * _MB / _TB * _PER_TB


def price(scanned: int, region: str) -> str:
    """`3,400,000 bytes scanned, about $0.00005 ($5.00 a TB, at least 10 MB: us-east-1, November 2026)`."""
    other = "" if region == _PRICED else f"; {region} may ask more"
    per = f"${_PER_TB:.2f} a TB, at least 10 MB: {_PRICED}, {_PRICED_AT}{other}"
    return f"{scanned:,} bytes scanned, about ${cost(scanned):.5f} ({per})"
