"""A fake Athena over HTTP on loopback: moto, extended by what it lacks.

moto runs no SQL; tests queue the rows that the next query returns. Failing queries, scanned bytes, updates of named
queries, paging and the required output location are added here, with AWS' messages.
"""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.athena.models import AthenaBackend, Execution
from moto.athena.responses import AthenaResponse
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from catalog.lake import open_lake
from tests.lakes_by_hand import append, vectors

REGION = "eu-west-3"
_ACCOUNT = "123456789012"
_PAGE = 1000  # most rows per page of GetQueryResults, including the header


class AthenaServer:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.ending: dict[str, Any] = {}  # overrides of a query's state, reason and bytes

    @property
    def environment(self) -> dict[str, str]:
        """AWS_* variables that point boto3 to this server."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return keys | {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    @property
    def queries(self) -> list[Execution]:
        """The queries started so far, in order."""
        return list(self.backend.executions.values())

    @property
    def backend(self) -> AthenaBackend:
        return get_backend("athena")[_ACCOUNT][REGION]

    def holds(self, lake: str, prefix: str = "fruits", results: str = "") -> None:
        """Set up a lake in a bucket with one table in Glue, no other lakes, and optionally a bucket for results."""
        get_backend("glue")[_ACCOUNT][REGION].reset()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            for uri in filter(None, {lake, results}):
                bucket = boto3.resource("s3", region_name=REGION).Bucket(uri.split("/")[2])
                if bucket.creation_date is None:
                    bucket.create(CreateBucketConfiguration={"LocationConstraint": REGION})
            append(open_lake(lake, prefix), "gold.fruit_vectors", vectors("Fig", (1.0, 2.0)))

    def answers(self, columns: Sequence[tuple[str, str]], *rows: Sequence[str | None]) -> None:
        """Queue the result of the next query: columns as (name, Athena type), values as text."""
        told = [[name for name, _ in columns], *rows]
        result = {
            "rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in told],
            "column_info": [
                {"Name": name, "Type": type_, "Precision": 10, "Scale": 2, "Nullable": "UNKNOWN"}
                for name, type_ in columns
            ],
        }
        self._post("/moto-api/static/athena/query-results", {"region": REGION, "results": [result]})

    def takes(self, looks: int) -> None:
        """Let queries stay queued for this many polls, and then running for as many."""
        transition = {"progression": "manual", "times": looks}
        self._post(
            "/moto-api/state-manager/set-transition", {"model_name": "athena::execution", "transition": transition}
        )

    def reset(self) -> None:
        """Delete all queries and queued results, but nothing in other services, which belongs to other tests."""
        get_backend("athena").reset()
        self._post("/moto-api/state-manager/unset-transition", {"model_name": "athena::execution"})

    def _post(self, path: str, body: object) -> None:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()


@contextmanager
def athena_server() -> Iterator[AthenaServer]:
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        server = AthenaServer(moto.get_host_and_port()[1])
        server.reset()
        with pytest.MonkeyPatch.context() as patch:
            _teach(server, patch)
            yield server
            server.reset()
    finally:
        moto.stop()


def _teach(server: AthenaServer, patch: pytest.MonkeyPatch) -> None:
    start, get = AthenaResponse.start_query_execution, AthenaResponse.get_query_execution
    results = AthenaResponse.get_query_results

    def start_query_execution(self: AthenaResponse) -> object:
        if not (self._get_param("ResultConfiguration") or {}).get("OutputLocation"):
            return self.error(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input.",
                400,
            )
        return start(self)

    def get_query_execution(self: AthenaResponse) -> str:
        answer = json.loads(get(self))
        answer["QueryExecution"]["Status"] |= {k: v for k, v in server.ending.items() if k.startswith("Sta")}
        answer["QueryExecution"]["Statistics"] |= {k: v for k, v in server.ending.items() if not k.startswith("Sta")}
        return json.dumps(answer)

    def get_query_results(self: AthenaResponse) -> str:
        answer = json.loads(results(self))
        rows = answer["ResultSet"]["Rows"]
        start = int(self._get_param("NextToken") or 0)
        end = start + min(self._get_param("MaxResults") or _PAGE, _PAGE)
        answer["ResultSet"]["Rows"] = rows[start:end]
        return json.dumps(answer | ({"NextToken": str(end)} if end < len(rows) else {}))

    def batch_get_named_query(self: AthenaResponse) -> str:
        ids = self._get_param("NamedQueryIds")
        assert len(ids) <= 50, "AWS takes no more"
        found = [self.athena_backend.named_queries[id_] for id_ in ids]
        return json.dumps(
            {
                "NamedQueries": [
                    {
                        "NamedQueryId": q.id,
                        "Name": q.name,
                        "Description": q.description,
                        "Database": q.database,
                        "QueryString": q.query_string,
                        "WorkGroup": q.workgroup.name,
                    }
                    for q in found
                ]
            }
        )

    def update_named_query(self: AthenaResponse) -> str:
        stored = self.athena_backend.named_queries[self._get_param("NamedQueryId")]
        stored.name, stored.description = self._get_param("Name"), self._get_param("Description")
        stored.query_string = self._get_param("QueryString")
        return "{}"

    for taught in (
        start_query_execution,
        get_query_execution,
        get_query_results,
        batch_get_named_query,
        update_named_query,
    ):
        patch.setattr(AthenaResponse, taught.__name__, taught, raising=False)
