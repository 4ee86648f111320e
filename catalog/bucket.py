"""A bucket of S3: whether it is there and open to us, and pyarrow's view of it.

bucket ──HeadBucket, once a process──▶ its region ──▶ S3FileSystem with botocore's credentials
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache

import pyarrow.fs as pafs
from botocore.exceptions import ClientError

from catalog import aws
from catalog.errors import AwsError

_ATTEMPTS = 8  # like botocore's here; pyarrow's own 3 give up while S3 is still asking to slow down
_opening = threading.Lock()


def filesystem(bucket: str) -> pafs.S3FileSystem:
    """The bucket's filesystem; paths in it start with the bucket's name.

    Raises AwsError if the bucket is not there, is closed to these credentials or cannot be reached.
    """
    key = aws.credentials()
    with _opening:  # many threads read at once; one of them opens
        where = region_of(bucket, aws.endpoint("s3"), key.access_key)
        return _filesystem(where, aws.endpoint("s3"), key.access_key, key.secret_key, key.token)


def region(uri: str) -> str:
    """The region of the bucket of an s3:// URI. Raises AwsError."""
    return region_of(uri.removeprefix("s3://").split("/", 1)[0], aws.endpoint("s3"), aws.credentials().access_key)


@lru_cache(maxsize=64)
def region_of(bucket: str, endpoint: str | None, access_key: str) -> str:
    """The region that the bucket lies in, whichever region requests go to by default. Raises AwsError.

    endpoint and access_key say as whom, and where, it was asked: the answer is kept for them.
    """
    with aws.explained(f"the bucket '{bucket}' cannot be used"):
        try:
            answer = aws.s3().head_bucket(Bucket=bucket)
        except ClientError as error:
            if aws.code_of(error) in ("404", "NoSuchBucket"):
                raise AwsError(
                    f"there is no bucket '{bucket}' at {endpoint or 'AWS'}: correct its name, "
                    f"or make it with `aws s3 mb s3://{bucket} --region {aws.region()}`"
                ) from error
            raise
    found = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return found or aws.region()


def check_writable(uri: str) -> None:
    """Raise AwsError unless objects can be written, and removed again, below an s3:// URI."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    filesystem(bucket)  # says it if there is no such bucket
    key = f"{prefix}/_catalog/.write-check".lstrip("/")
    with aws.explained(f"'{uri}' cannot be written"):
        aws.s3().put_object(Bucket=bucket, Key=key, Body=b"")
        aws.s3().delete_object(Bucket=bucket, Key=key)


@lru_cache(maxsize=8)
def _filesystem(
    region: str, endpoint: str | None, access_key: str, secret_key: str, token: str | None
) -> pafs.S3FileSystem:
    return pafs.S3FileSystem(
        region=region,
        endpoint_override=endpoint,
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE"),
    )
