"""Permanently delete noncurrent versions of objects, and unfinished uploads, in a bucket.

    below a URI ──ListObjectVersions────▶ noncurrent versions ──DeleteObjects─▶ then the delete markers above them
                ──ListMultipartUploads──▶ uploads that were never completed ──AbortMultipartUpload

A versioned bucket only hides deleted objects, and unfinished uploads of killed runs contain parts of files but are not
listed. All functions take s3:// URIs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from more_itertools import chunked

from catalog import aws
from catalog.errors import AwsError
from catalog.storage import delete_file

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_AT_ONCE = 1000  # limit of DeleteObjects


def keeps_versions(uri: str) -> bool:
    """Whether the bucket has, or once had, versioning. Raises AwsError if its versions cannot be listed."""
    bucket, prefix = _place(uri)
    with aws.explained(f"whether old versions would stay in the bucket '{bucket}' cannot be seen"):
        if "Status" not in aws.s3().get_bucket_versioning(Bucket=bucket):
            return False
        aws.s3().list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    return True


def delete_hidden(uri: str) -> int:
    """Delete noncurrent versions, delete markers and unfinished uploads below a folder that nobody writes to.

    Returns the number of versions deleted; can be repeated after an interruption. Raises AwsError, naming the first
    object that AWS refuses to delete, such as one under an object lock.
    """
    bucket, prefix = _place(uri)
    with aws.explained(f"what is hidden below '{uri}' cannot be removed"):
        _abort_uploads(bucket, prefix)
        if not keeps_versions(uri):
            return 0
        # Deleting a marker before the versions it hides would make them visible again.
        versions = _delete(bucket, _listed(bucket, prefix, "Versions[?!IsLatest]"))
        _delete(bucket, _listed(bucket, prefix, "DeleteMarkers[]"))
    return versions


def delete_permanently(uri: str) -> None:
    """Delete a file with all its versions, the current one last. Raises AwsError."""
    if not keeps_versions(uri):
        return delete_file(uri)
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    with aws.explained(f"'{uri}' cannot be removed"):
        versions = [version for version in _listed(bucket, key, "Versions[]") if version["Key"] == key]
        for version in sorted(versions, key=lambda version: version["IsLatest"]):  # the current one last
            aws.s3().delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


def _abort_uploads(bucket: str, prefix: str) -> None:
    for page in aws.s3().get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            try:
                aws.s3().abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            except ClientError as error:
                if aws.code_of(error) != "NoSuchUpload":  # completed or aborted in the meantime
                    raise


def _listed(bucket: str, prefix: str, chosen: str) -> Iterator[dict[str, Any]]:
    """What a JMESPath expression chooses from the pages of a listing of versions and delete markers."""
    pages = aws.s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return filter(None, pages.search(chosen))  # a page without any gives None


def _delete(bucket: str, items: Iterator[dict[str, Any]]) -> int:
    """Delete listed items in batches. Raises AwsError for errors inside an answer with status 200."""
    count = 0
    for batch in chunked(items, _AT_ONCE):
        objects: list[ObjectIdentifierTypeDef] = [{"Key": i["Key"], "VersionId": i["VersionId"]} for i in batch]
        answer = aws.s3().delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors", []):
            first = errors[0]
            raise AwsError(
                f"{len(errors):,} of {len(batch):,} old versions in the bucket '{bucket}' cannot be deleted "
                f"({first.get('Code')}: {first.get('Message')}; first '{first.get('Key')}'): allow "
                "s3:DeleteObjectVersion there, or wait until a lock on them ends, then continue"
            )
        count += len(batch)
    return count


def _place(uri: str) -> tuple[str, str]:
    """The bucket, and the prefix of all keys below the folder."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, f"{prefix}/" if prefix else ""
