"""AWS clients and credentials, configured by AWS' standard variables, the same for boto3, pyarrow and Spark.

AWS_PROFILE, AWS_ACCESS_KEY_ID, …        credentials, in botocore's order: variables, profile, SSO, instance role
AWS_REGION, AWS_DEFAULT_REGION           the region; default: the profile's, then eu-west-3
AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL    a server in place of AWS
AWS_MAX_ATTEMPTS                         attempts per request, if AWS throttles or fails it
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from catalog.aws_reason import refusal, refusal_in
from catalog.errors import AwsError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "eu-west-3"
_NAMES = {"s3": "S3", "glue": "AWS Glue", "athena": "Athena"}
_ATTEMPTS = 8  # with botocore's backoff, about two minutes of throttling
_lock = threading.Lock()  # making a client is not thread-safe; using one is


def region() -> str:
    """The default region of requests."""
    return os.environ.get("AWS_REGION") or _session(_variables()).region_name or DEFAULT_REGION


def endpoint(service: str) -> str | None:
    """The endpoint configured for a service; None for AWS' own."""
    return os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL") or None


def credentials() -> ReadOnlyCredentials:
    """Current credentials; those of a role are renewed before they expire. Raises AwsError."""
    with explained("AWS cannot be used"), _lock:
        found = _session(_variables()).get_credentials()
        if found is None:
            raise NoCredentialsError()
        return found.get_frozen_credentials()


def s3() -> S3Client:
    """The S3 client, one per process and set of AWS_* variables."""
    return cast("S3Client", client("s3"))


def client(service: str, where: str | None = None) -> Any:
    """A client of any service, one per process and set of AWS_* variables; where: a region other than the default."""
    with _making(f"{_NAMES.get(service, 'AWS')} cannot be used"):
        return _client(_variables(), where or region(), service)


def session() -> boto3.Session:
    """The boto3 session, for a library that makes its own clients."""
    with _making("AWS cannot be used"):
        return _session(_variables())


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn errors of botocore, and of Arrow about S3, into an AwsError that begins with `what`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise AwsError(f"{what}: {_reason(error)}") from error
    except OSError as error:
        if (said := refusal_in(str(error))) is None:
            raise
        raise AwsError(f"{what}: {said}") from error


@contextmanager
def _making(what: str) -> Iterator[None]:
    """Make a client in this block. Raises AwsError, also for AWS_* variables that botocore cannot parse."""
    with explained(what), _lock:
        try:
            yield
        except ValueError as error:
            raise AwsError(f"{what}: {error}: see AWS_REGION, AWS_ENDPOINT_URL and AWS_MAX_ATTEMPTS") from error


def code_of(error: ClientError) -> str:
    """The error code in AWS' answer: `EntityNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return refusal(code_of(error), error.operation_name, error.response.get("Error", {}).get("Message", ""))
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return (
            "there are no AWS credentials: make them with `aws configure`, choose a profile with AWS_PROFILE, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return f"{error}: is the network there, and AWS_REGION or AWS_ENDPOINT_URL right?"
    return f"{error}: see AWS_PROFILE, AWS_REGION and the files of `aws configure`"


def _variables() -> tuple[tuple[str, str], ...]:
    """The AWS_* variables, as key for cached sessions and clients."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


def config() -> Config:
    """Retries and timeouts of every client."""
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS)
    return Config(retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=10, read_timeout=60)


@lru_cache(maxsize=4)
def _session(variables: tuple[tuple[str, str], ...]) -> boto3.Session:
    import boto3  # takes a third of a second, which commands on a local lake need not wait for

    return boto3.Session()


@lru_cache(maxsize=32)
def _client(variables: tuple[tuple[str, str], ...], where: str, service: str) -> Any:
    make: Callable[..., Any] = _session(variables).client  # typed one service at a time
    return make(service, region_name=where, config=config())
