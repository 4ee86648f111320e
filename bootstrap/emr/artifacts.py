"""Upload the packaged artifacts that are not in the bucket yet, below `artifacts/`."""

from __future__ import annotations

from pathlib import Path

from bootstrap.emr.package import Artifacts
from bootstrap.emr.requests import Request, look_up


def key(name: str) -> str:
    """The S3 key of an artifact."""
    return f"artifacts/{name}"


def uri(bucket: str, name: str) -> str:
    """The s3:// URI of an artifact in a bucket."""
    return f"s3://{bucket}/{key(name)}"


def uploads(artifacts: Artifacts, here: Path, bucket: str) -> list[Request]:
    """Requests to upload the files that are not in the bucket yet; names contain hashes, so existing files match."""
    keys = {key(name): here / name for name in artifacts.names()}
    absent = "404 NoSuchKey NoSuchBucket"
    missing = [name for name in keys if look_up(absent, "s3", "HeadObject", Bucket=bucket, Key=name) is None]
    return [Request("s3", "PutObject", {"Bucket": bucket, "Key": name, "Body": keys[name]}) for name in missing]
