"""Noncurrent object versions are deleted; current ones are kept."""

from typing import Any

import pytest
from werkzeug.wrappers import Response

from catalog import object_versions
from catalog.errors import AwsError
from catalog.object_versions import delete_hidden, delete_permanently, keeps_versions
from catalog.storage import exists
from tests.aws import AwsServer, s3_error

LAKE = "s3://versioned/my lake"


@pytest.fixture
def bucket(aws: AwsServer) -> AwsServer:
    aws.make_bucket("versioned")
    aws.s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return aws


def put(server: AwsServer, key: str, *contents: bytes) -> None:
    for content in contents:
        server.s3.put_object(Bucket="versioned", Key=key, Body=content)


def kept(server: AwsServer) -> list[tuple[str, bytes]]:
    """Every object version, and every delete marker, listed with empty content."""
    pages = list(server.s3.get_paginator("list_object_versions").paginate(Bucket="versioned"))
    versions = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", [])]
    contents = [
        (key, server.s3.get_object(Bucket="versioned", Key=key, VersionId=id_)["Body"].read()) for key, id_ in versions
    ]
    return sorted([*contents, *((m["Key"], b"") for page in pages for m in page.get("DeleteMarkers", []))])


def test_old_versions_and_markers_go_and_nothing_else(bucket: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_versions, "_AT_ONCE", 2)
    put(bucket, "my lake/changed", b"1", b"2", b"3")
    put(bucket, "my lake/gone", b"1", b"2")
    bucket.s3.delete_object(Bucket="versioned", Key="my lake/gone")
    put(bucket, "my lake, too/changed", b"1", b"2")  # outside the lake, although the key starts like the lake's
    assert len(kept(bucket)) == 8
    assert keeps_versions(LAKE)
    assert delete_hidden(LAKE) == 4
    assert kept(bucket) == [("my lake, too/changed", b"1"), ("my lake, too/changed", b"2"), ("my lake/changed", b"3")]
    assert delete_hidden(LAKE) == 0


def test_uploads_that_were_never_completed_are_aborted(bucket: AwsServer) -> None:
    for key in ("my lake/part", "other/part"):
        upload = bucket.s3.create_multipart_upload(Bucket="versioned", Key=key)["UploadId"]
        bucket.s3.upload_part(Bucket="versioned", Key=key, UploadId=upload, PartNumber=1, Body=b"a photo")
    delete_hidden(LAKE)
    left = bucket.s3.list_multipart_uploads(Bucket="versioned").get("Uploads", [])
    assert [upload["Key"] for upload in left] == ["other/part"]


def test_a_file_is_there_until_no_version_of_it_is_left(bucket: AwsServer) -> None:
    put(bucket, "my lake/file", b"1", b"2")
    put(bucket, "my lake/file 2", b"1")
    delete_permanently(f"{LAKE}/file")
    assert kept(bucket) == [("my lake/file 2", b"1")]


def test_a_bucket_without_versions_has_none(aws: AwsServer) -> None:
    aws.make_bucket("plain")
    aws.s3.put_object(Bucket="plain", Key="lake/file", Body=b"")
    assert not keeps_versions("s3://plain/lake")
    assert delete_hidden("s3://plain/lake") == 0
    delete_permanently("s3://plain/lake/file")
    assert not exists("s3://plain/lake/file")


def test_what_aws_refuses_inside_an_answer_is_an_error(bucket: AwsServer) -> None:
    put(bucket, "my lake/locked", b"1", b"2")
    refused = "<Error><Key>my lake/locked</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"

    def refuse(request: dict[str, Any]) -> Response:
        return Response(f"<DeleteResult>{refused}</DeleteResult>", mimetype="application/xml")

    with (
        bucket.answering("POST /versioned", refuse),
        pytest.raises(AwsError, match=r"1 of 1 old versions .*AccessDenied: locked; first 'my lake/locked'.*Version"),
    ):
        delete_hidden(LAKE)
    assert len(kept(bucket)) == 2


def test_no_permission_to_see_versions_is_said(bucket: AwsServer) -> None:
    with (
        bucket.answering("GET /versioned", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(AwsError, match=r"old versions would stay .* cannot be seen: no permission for GetBucketVers"),
    ):
        keeps_versions(LAKE)
