"""An S3 bucket: whether it exists and can be accessed, its region, and how pyarrow and Hadoop access it.

bucket ──HeadBucket, once per process──▶ its region ──▶ S3FileSystem with botocore's credentials
"""

import os
import threading
from collections.abc import Collection
from functools import lru_cache

import pyarrow.fs as pafs
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from catalog import aws
from catalog.errors import AwsError, RegionError

JAVA_CREDENTIALS = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
_ATTEMPTS = 8  # as for botocore; pyarrow's default of 3 gives up while S3 still throttles
_ALLOW = "use a bucket there, or allow the region with FRUITLAKE_ALLOWED_REGIONS, if photos may be stored there"
_opening = threading.Lock()


def filesystem(bucket: str) -> pafs.S3FileSystem:
    """The bucket's filesystem; paths in it start with the bucket's name. Raises AwsError if it cannot be accessed."""
    key = aws.credentials()
    with _opening:  # called by many threads at once
        where = region_of(bucket, aws.endpoint("s3"), key.access_key)
        return _filesystem(where, aws.endpoint("s3"), key)


def hadoop_options(uri: str) -> dict[str, str]:
    """Options of Hadoop's S3 client for the bucket of an s3:// URI. Raises AwsError."""
    name = uri.removeprefix("s3://").split("/", 1)[0]
    options = {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "fs.s3a.aws.credentials.provider": JAVA_CREDENTIALS,
        f"fs.s3a.bucket.{name}.endpoint.region": region(uri),
    }
    if server := aws.endpoint("s3"):  # a test server has no host name for each bucket
        options |= {"fs.s3a.endpoint": server, "fs.s3a.path.style.access": "true"}
    return options


def region(uri: str) -> str:
    """The region of the bucket of an s3:// URI. Raises AwsError."""
    return region_of(uri.removeprefix("s3://").split("/", 1)[0], aws.endpoint("s3"), aws.credentials().access_key)


@lru_cache(maxsize=64)
def region_of(bucket: str, endpoint: str | None, access_key: str) -> str:
    """The region of a bucket, as S3 reports it; cached per endpoint and access key. Raises AwsError."""
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


def check_region(uri: str, allowed: Collection[str]) -> None:
    """Raise RegionError if the bucket is, according to S3 rather than the settings, in a region that is not allowed."""
    found = region(uri)
    if found not in allowed:
        name = uri.removeprefix("s3://").split("/", 1)[0]
        raise RegionError(f"the bucket '{name}' is in {found}, allowed: {', '.join(allowed)}: {_ALLOW}")


def check_catalog_region(allowed: Collection[str]) -> None:
    """Raise RegionError if Glue would keep the lake's labels and paths in a region that is not allowed."""
    if aws.region() not in allowed:
        raise RegionError(
            f"AWS_REGION is {aws.region()}, where Glue would keep the lake's labels and paths; "
            f"allowed: {', '.join(allowed)}: set AWS_REGION to one of them"
        )


@lru_cache(maxsize=8)
def _filesystem(region: str, endpoint: str | None, key: ReadOnlyCredentials) -> pafs.S3FileSystem:
    return pafs.S3FileSystem(
        region=region,
        endpoint_override=endpoint,
        access_key=key.access_key,
        secret_key=key.secret_key,
        session_token=key.token,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE"),
    )
