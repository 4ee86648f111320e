"""Athena: start a query, wait for it, fetch its rows; stop it when the person who waits stops.

SQL ──StartQueryExecution──▶ id ──GetQueryExecution, again and again──▶ SUCCEEDED ──GetQueryResults──▶ Answer
                              └──Ctrl-C, or any error here──▶ StopQueryExecution
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from catalog import aws
from catalog.errors import QueryError
from catalog.query import price
from catalog.query.answer import Answer
from catalog.query.rows import to_arrow
from catalog.query.text import for_athena, parse

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

_FIRST_POLL, _LAST_POLL = 0.2, 2.0  # seconds between two looks: growing, so that long queries are asked about less
_OVER = ("SUCCEEDED", "FAILED", "CANCELLED")

Progress = Callable[[str], None]  # told in words how far the query is


class Athena:
    """The lake whose Glue databases start with `prefix`.

    Without an output location the workgroup's own is taken.
    """

    def __init__(
        self,
        client: AthenaClient,
        prefix: str,
        workgroup: str = "primary",
        output_location: str | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._workgroup = workgroup
        self._output = output_location
        self._progress = progress

    def run(self, sql: str, values: Sequence[str] = ()) -> Answer:
        parse(sql, values)
        with told(self._workgroup):
            started = self._start(for_athena(sql, self._prefix), values)
            try:
                done = self._wait(started)
            except BaseException:
                self._client.stop_query_execution(QueryExecutionId=started)  # nobody would read its answer
                raise
            _check(done, self._workgroup)
            pages = list(self._client.get_paginator("get_query_results").paginate(QueryExecutionId=started))
        return Answer(to_arrow(pages), "Athena", _seconds(done), (self._paid(done), f"query {started}"))

    def _start(self, sql: str, values: Sequence[str]) -> str:
        request: dict[str, Any] = {"QueryString": sql, "WorkGroup": self._workgroup}
        if values:
            request["ExecutionParameters"] = [literal(v) for v in values]
        if self._output:
            request["ResultConfiguration"] = {"OutputLocation": self._output}
        return self._client.start_query_execution(**request)["QueryExecutionId"]

    def _wait(self, started: str) -> QueryExecutionTypeDef:
        pause = _FIRST_POLL
        while True:
            execution = self._client.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            state = execution["Status"]["State"]
            if state in _OVER:
                return execution
            self._progress(f"Athena: {state.lower()}, {_scanned(execution):,} bytes scanned")
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_POLL)

    def _paid(self, done: QueryExecutionTypeDef) -> str:
        if done.get("Statistics", {}).get("ResultReuseInformation", {}).get("ReusedPreviousResult"):
            return "an earlier result was used again, nothing scanned"
        return price.in_words(_scanned(done), self._client.meta.region_name)


def literal(value: str) -> str:
    """Text as Athena wants it in ExecutionParameters: a SQL literal, which stays one whatever the text holds."""
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def told(workgroup: str) -> Iterator[None]:
    """Say what Athena refused, and the next step. Raises QueryError, or AwsError where it is not the query's fault."""
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


def _check(done: QueryExecutionTypeDef, workgroup: str) -> None:
    """Raise QueryError unless the query succeeded."""
    state = done["Status"]["State"]
    reason = done["Status"].get("StateChangeReason", "no reason given")
    if state == "FAILED":
        hint = ": is the lake published, and --database-prefix right?" if "NOT_FOUND" in reason else ""
        raise QueryError(f"Athena could not run the query: {reason}{hint}")
    if state == "CANCELLED" and "limit" in reason.lower():
        raise QueryError(
            f"the workgroup '{workgroup}' stopped the query at its limit of scanned bytes ({_scanned(done):,} read): "
            "read fewer columns or labels, or have the limit raised"
        )
    if state == "CANCELLED":
        raise QueryError(f"the query was cancelled in Athena: {reason}")


def _scanned(execution: QueryExecutionTypeDef) -> int:
    return execution.get("Statistics", {}).get("DataScannedInBytes", 0)


def _seconds(done: QueryExecutionTypeDef) -> float:
    return done.get("Statistics", {}).get("TotalExecutionTimeInMillis", 0) / 1000
