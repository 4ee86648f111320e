"""AWS as its standard variables describe it, the same for every part: boto3, pyarrow and Spark.

AWS_PROFILE, AWS_ACCESS_KEY_ID, …        credentials, by botocore's search: variables, profile, SSO, instance role
AWS_REGION, AWS_DEFAULT_REGION           the region; else the profile's, else Paris
AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL    another server than AWS' own
AWS_MAX_ATTEMPTS                         how often a request is made that AWS throttles or fails
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
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

from catalog.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "eu-west-3"
_ATTEMPTS = 8  # with botocore's growing pauses: about two minutes of throttling are waited out
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
_REFUSED = {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_REFUSED |= {"UnrecognizedClientException", "InvalidClientTokenId"}
_lock = threading.Lock()  # boto3 makes clients in one thread at a time; a made one serves all


def region() -> str:
    """The region that requests go to."""
    return os.environ.get("AWS_REGION") or _session(_variables()).region_name or DEFAULT_REGION


def endpoint(service: str) -> str | None:
    """The server that stands for a service of AWS, None for AWS' own."""
    return os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL") or None


def credentials() -> ReadOnlyCredentials:
    """The credentials as they are now; those of a role are renewed before they expire. Raises AwsError."""
    with explained("AWS cannot be used"), _lock:
        found = _session(_variables()).get_credentials()
        if found is None:
            raise NoCredentialsError()
        return found.get_frozen_credentials()


def s3() -> S3Client:
    with _making("S3 cannot be used"):
        return _s3(_variables(), region())


def glue() -> GlueClient:
    with _making("AWS Glue cannot be used"):
        return _glue(_variables(), region())


def athena() -> AthenaClient:
    with _making("Athena cannot be used"):
        return _athena(_variables(), region())


def client(service: str) -> Any:
    """A client of any other service, by boto3's name for it."""
    with _making("AWS cannot be used"):
        return _client(_variables(), region(), service)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Say what AWS refused, and the next step. Raises AwsError instead of botocore's errors."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise AwsError(f"{what}: {_reason(error)}") from error


@contextmanager
def _making(what: str) -> Iterator[None]:
    """While a client is made. Raises AwsError, also for variables that botocore does not understand."""
    with explained(what), _lock:
        try:
            yield
        except ValueError as error:
            raise AwsError(f"{what}: {error}: see AWS_REGION, AWS_ENDPOINT_URL and AWS_MAX_ATTEMPTS") from error


def code_of(error: ClientError) -> str:
    """AWS' name for what went wrong: `EntityNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        code, said = code_of(error), " ".join(error.response.get("Error", {}).get("Message", "").split())[:300]
        if code in _DENIED:
            return f"no permission for {error.operation_name} ({said}): use other credentials, or have it granted"
        if code in _REFUSED:
            return f"AWS refuses the credentials ({code}): renew them, with `aws sso login` or `aws configure`"
        return f"{error.operation_name} failed ({code}: {said})"
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return (
            "there are no AWS credentials: make them with `aws configure`, choose a profile with AWS_PROFILE, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return f"{error}: is the network there, and AWS_REGION or AWS_ENDPOINT_URL right?"
    return f"{error}: see AWS_PROFILE, AWS_REGION and the files of `aws configure`"


def _variables() -> tuple[tuple[str, str], ...]:
    """What a session is made of: other variables, another session."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


def _config() -> Config:
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS)
    return Config(retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=10, read_timeout=60)


@lru_cache(maxsize=4)
def _session(variables: tuple[tuple[str, str], ...]) -> boto3.Session:
    return boto3.Session()


@lru_cache(maxsize=4)
def _s3(variables: tuple[tuple[str, str], ...], where: str) -> S3Client:
    return _session(variables).client("s3", region_name=where, config=_config())


@lru_cache(maxsize=4)
def _glue(variables: tuple[tuple[str, str], ...], where: str) -> GlueClient:
    return _session(variables).client("glue", region_name=where, config=_config())


@lru_cache(maxsize=4)
def _athena(variables: tuple[tuple[str, str], ...], where: str) -> AthenaClient:
    return _session(variables).client("athena", region_name=where, config=_config())


@lru_cache(maxsize=32)
def _client(variables: tuple[tuple[str, str], ...], where: str, service: str) -> Any:
    make: Callable[..., Any] = _session(variables).client  # typed one service at a time
    return make(service, region_name=where, config=_config())
