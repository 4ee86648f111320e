"""Where data may lie: a bucket, and the catalog about it, in a region that is not allowed is refused before it is read.

The region of a bucket is asked of S3 (HeadBucket), not taken from settings: what counts is where the bytes are.
"""

from __future__ import annotations

from collections.abc import Collection

from catalog.errors import RegionError
from catalog.storage import is_remote

NEXT = "use a bucket there, or allow the region with FRUITLAKE_ALLOWED_REGIONS, if the photos may lie in it"


def check_bucket(uri: str, allowed: Collection[str]) -> None:
    """Raise RegionError if the place is a bucket in another region; a folder is where this machine is."""
    if not is_remote(uri):
        return
    from catalog import aws, bucket  # imports boto3: only where there is a bucket

    name = uri.removeprefix("s3://").split("/", 1)[0]
    found = bucket.region_of(name, aws.endpoint("s3"), aws.credentials().access_key)
    if found not in allowed:
        raise RegionError(f"the bucket '{name}' lies in {found}, allowed: {', '.join(allowed)}: {NEXT}")


def check_catalog(uri: str, allowed: Collection[str]) -> None:
    """Raise RegionError if the Glue catalog of a lake in S3 would be in another region."""
    if not is_remote(uri):
        return
    from catalog import aws

    if aws.region() not in allowed:
        raise RegionError(
            f"AWS_REGION is {aws.region()}, where Glue would keep the lake's labels and paths; "
            f"allowed: {', '.join(allowed)}: set AWS_REGION to one of them"
        )
