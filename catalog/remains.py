"""What a bucket still holds of objects that were deleted or replaced, and taking that away for good.

    below a URI ──ListObjectVersions────▶ versions that nobody sees ──DeleteObjects─▶ then the delete markers over them
                ──ListMultipartUploads──▶ uploads that were never completed ──AbortMultipartUpload─▶ gone

A bucket with versioning only hides what is deleted; a killed run's uploads hold parts of files that nobody can list.
A folder on a disk keeps neither; everything here is for s3:// URIs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from catalog import aws
from catalog.errors import AwsError
from catalog.storage import delete_file

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_AT_ONCE = 1000  # what DeleteObjects takes


def keeps_versions(uri: str) -> bool:
    """Whether the bucket keeps versions, or once kept some, and these credentials may list them. Raises AwsError."""
    bucket, prefix = _place(uri)
    with aws.explained(f"whether old versions would stay in the bucket '{bucket}' cannot be seen"):
        if "Status" not in aws.s3().get_bucket_versioning(Bucket=bucket):
            return False
        aws.s3().list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    return True


def remove_remains(uri: str) -> int:
    """Delete below a folder what its readers do not see; nobody else may be writing there.

    Returns how many versions went. What was interrupted can be done again. Raises AwsError, with the first object that
    AWS refuses to delete: under a lock, for example, or without permission.
    """
    bucket, prefix = _place(uri)
    with aws.explained(f"what is hidden below '{uri}' cannot be removed"):
        _abort_uploads(bucket, prefix)
        if not keeps_versions(uri):
            return 0
        # A marker must not go before what it hides: that would be seen again.
        versions = _delete(bucket, _identifiers(bucket, prefix, "Versions"))
        _delete(bucket, _identifiers(bucket, prefix, "DeleteMarkers"))
    return versions


def delete_for_good(uri: str) -> None:
    """Delete a file with all its versions; while any is left, it is there. Raises AwsError."""
    if not keeps_versions(uri):
        return delete_file(uri)
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    with aws.explained(f"'{uri}' cannot be removed"):
        pages = aws.s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
        versions = [v for page in pages for v in page.get("Versions", []) if v["Key"] == key]
        versions.sort(key=lambda version: version["IsLatest"])  # the one that is seen goes last
        for version in versions:
            aws.s3().delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


def _abort_uploads(bucket: str, prefix: str) -> None:
    for page in aws.s3().get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            try:
                aws.s3().abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            except ClientError as error:
                if aws.code_of(error) != "NoSuchUpload":  # completed or aborted meanwhile
                    raise


def _identifiers(bucket: str, prefix: str, kind: str) -> Iterator[ObjectIdentifierTypeDef]:
    """Of all delete markers, or of the versions behind the ones that are seen."""
    for page in aws.s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = page.get("DeleteMarkers", []) if kind == "DeleteMarkers" else page.get("Versions", [])
        for item in found:
            if kind == "DeleteMarkers" or not item["IsLatest"]:
                yield {"Key": item["Key"], "VersionId": item["VersionId"]}


def _delete(bucket: str, identifiers: Iterator[ObjectIdentifierTypeDef]) -> int:
    """Raises AwsError for what AWS refuses inside an answer that says 200."""
    count = 0
    while batch := list(islice(identifiers, _AT_ONCE)):
        answer = aws.s3().delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if errors := answer.get("Errors", []):
            first = errors[0]
            raise AwsError(
                f"{len(errors):,} of {len(batch):,} old versions in the bucket '{bucket}' cannot be deleted "
                f"({first.get('Code')}: {first.get('Message')}; first '{first.get('Key')}'): allow "
                "s3:DeleteObjectVersion there, or wait until a lock on them ends, then go on"
            )
        count += len(batch)
    return count


def _place(uri: str) -> tuple[str, str]:
    """Bucket, and what the keys below the folder start with."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, f"{prefix}/" if prefix else ""
