"""A fake AWS over HTTP on loopback: moto, made as strict as AWS about Glue, with failures on request.

boto3, pyarrow, Spark ──HTTP──▶ answers set by tests, Glue's own rules ──▶ moto

moto itself lets UpdateTable change any version, and allows comments of any length.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, cached_property
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

REGION = "eu-west-3"
_ACCOUNT = "123456789012"
_KEY = re.compile("Credential=([^/]+)/")

Told = Callable[[dict[str, Any]], Response | None]  # the answer to a request, None to let it through


class AwsServer:
    """The server. calls: Glue operations received, in order, with their requests; signed_by: access keys received."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, True, request_handler=MotoRequestHandler)
        self._told: list[tuple[str, Told]] = []
        self._updating = Lock()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.signed_by: set[str] = set()
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    @property
    def variables(self) -> dict[str, str]:
        """AWS_* variables that point every client to this server."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        files = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        return keys | files | {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    @contextmanager
    def environment(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
                patch.delenv(name, raising=False)
            for name, value in self.variables.items():
                patch.setenv(name, value)
            yield

    @cached_property
    def s3(self) -> S3Client:
        with self.environment():  # overrides variables that a test has set
            return _session().client("s3", endpoint_url=self.url)

    @cached_property
    def glue(self) -> GlueClient:
        with self.environment():
            return _session().client("glue", endpoint_url=self.url)

    def make_bucket(self, name: str, region: str = REGION) -> str:
        """Make a bucket, or empty an existing one."""
        bucket = _session(region).resource("s3", endpoint_url=self.url).Bucket(name)
        if bucket.creation_date is None:
            bucket.create(CreateBucketConfiguration={"LocationConstraint": region})
        bucket.object_versions.all().delete()
        return name

    def forget_tables(self) -> None:
        """Delete all databases and tables in Glue."""
        get_backend("glue")[_ACCOUNT][REGION].reset()
        self.calls.clear()

    @contextmanager
    def answering(self, operation: str, told: Told) -> Iterator[list[dict[str, Any]]]:
        """Let a function answer an operation of Glue (`UpdateTable`), or requests to S3 (`PUT /bucket/key`).

        Yields the list of requests answered.
        """
        seen: list[dict[str, Any]] = []

        def counted(request: dict[str, Any]) -> Response | None:
            answer = told(request)
            if answer is not None:
                seen.append(request)
            return answer

        rule = (operation, counted)
        self._told.append(rule)
        try:
            yield seen
        finally:
            self._told.remove(rule)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if key := _KEY.search(environ.get("HTTP_AUTHORIZATION", "")):
            self.signed_by.add(key[1])
        _, dot, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition("AWSGlue.")
        request: dict[str, Any] = {}
        if dot:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            request = json.loads(body)
            self.calls.append((operation, request))
        else:
            operation = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            request = {"operation": operation, "copied_from": environ.get("HTTP_X_AMZ_COPY_SOURCE")}
        for name, told in list(self._told):
            if operation.startswith(name) and (answer := told(request)) is not None:
                return answer(environ, start_response)
        with self._updating if operation == "UpdateTable" else nullcontext():  # an atomic compare-and-swap
            if (refusal := _refusal(operation, request) if dot else None) is not None:
                return refusal(environ, start_response)
            return self._moto(environ, start_response)


@cache  # a session reads a megabyte of JSON per service
def _session(region: str = REGION) -> boto3.Session:
    return boto3.Session("test", "test", region_name=region)


def glue_error(code: str, message: str = "", status: int = 400) -> Response:
    """Make an error response of Glue."""
    return Response(json.dumps({"__type": code, "Message": message}), status, mimetype="application/x-amz-json-1.1")


def s3_error(code: str, status: int) -> Response:
    """Make an error response of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to</Message></Error>"
    return Response(body, status, mimetype="application/xml", headers={"Connection": "close"})


def _refusal(operation: str, request: dict[str, Any]) -> Response | None:
    """The error for a request that AWS refuses, but moto accepts; None for others."""
    if operation in ("CreateTable", "UpdateTable"):
        for column in request["TableInput"]["StorageDescriptor"]["Columns"]:
            if len(column.get("Comment", "")) > 255:
                return glue_error("InvalidInputException", f"the comment of {column['Name']} is too long")
    if operation == "UpdateTable" and "VersionId" in request:
        glue = get_backend("glue")[_ACCOUNT][REGION]
        version = glue.get_table(request["DatabaseName"], request["TableInput"]["Name"]).as_dict()["VersionId"]
        if version != request["VersionId"]:
            return glue_error("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
    return None
