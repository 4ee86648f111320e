"""Artifacts into the bucket: whatever of a package is not below `artifacts/` yet."""

from __future__ import annotations

from pathlib import Path

from botocore.exceptions import ClientError

from bootstrap.emr.package import Artifacts
from bootstrap.emr.requests import Request
from catalog import aws

PREFIX = "artifacts"


def key(name: str) -> str:
    return f"{PREFIX}/{name}"


def uri(bucket: str, name: str) -> str:
    return f"s3://{bucket}/{key(name)}"


def uploads(artifacts: Artifacts, here: Path, bucket: str) -> list[Request]:
    """Requests for the files that are not in the bucket; a name stands for its content, so what is there is right."""
    return [
        Request("s3", "PutObject", {"Bucket": bucket, "Key": key(name), "Body": here / name})
        for name in artifacts.names()
        if not _there(bucket, key(name))
    ]


def _there(bucket: str, name: str) -> bool:
    with aws.explained(f"s3://{bucket} cannot be looked at"):
        try:
            aws.client("s3").head_object(Bucket=bucket, Key=name)
        except ClientError as error:
            if aws.code_of(error) in ("404", "NoSuchKey", "NoSuchBucket"):
                return False
            raise
    return True
