"""Photos in a bucket: every object is listed once and read unchanged, whatever its key."""

from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from catalog.errors import AwsError, SourceError
from ingestion.reading import CHECKED_SCHEMA, check_files
from ingestion.source import check_source, list_source
from ingestion.walk import Source, walk_remote
from tests.aws import AwsServer, s3_error
from tests.lakes import AWKWARD_LABELS
from tests.photos import photo

KEYS = [
    "top.jpg",
    "Apple Braeburn/1.jpg",
    "Apple Braeburn/turned/2.jpg",
    *(f"{label}/a+b&c=d %41.jpg" for label in AWKWARD_LABELS),
    " spaces /1.jpg",
    "<x>/1.jpg",
    "clash",  # a photo and a folder with the same name
    "clash/1.jpg",
]


@pytest.fixture
def root(aws: AwsServer) -> str:
    return f"s3://{aws.make_bucket('photos')}/Training"


def put(aws: AwsServer, *keys: str, data: bytes = b"photo") -> None:
    for key in keys:
        aws.s3.put_object(Bucket="photos", Key=f"Training/{key}", Body=data)


def listed(spark: SparkSession, root: str) -> dict[str, Row]:
    """The listing, by key below the root; fails if a key is listed twice."""
    rows = list_source(spark, Source(root)).collect()
    by_key = {row.source_path.removeprefix(f"{root}/"): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def test_every_object_is_listed_once_with_its_label(spark: SparkSession, aws: AwsServer, root: str) -> None:
    put(aws, *KEYS)
    rows = listed(spark, root)
    assert set(rows) == set(KEYS)
    assert {key: row.label for key, row in rows.items()} == {key: f"Training/{key}".rsplit("/", 2)[-2] for key in KEYS}
    assert {row.size for row in rows.values()} == {5}
    assert all(row.source_modified_at for row in rows.values())


def test_what_consoles_and_systems_leave_is_no_photo(spark: SparkSession, aws: AwsServer, root: str) -> None:
    put(aws, "", "Kiwi/", "Empty/", data=b"")
    put(aws, "Kiwi/1.jpg", "Kiwi/.DS_Store")
    rows = listed(spark, root)
    assert {key: row.ignored for key, row in rows.items()} == {"Kiwi/1.jpg": None, "Kiwi/.DS_Store": "hidden file"}


def test_a_folder_without_a_name_is_reported_and_leads_nowhere(spark: SparkSession, aws: AwsServer, root: str) -> None:
    put(aws, "a//double.jpg", "a/1.jpg", "a/b/2.jpg", "c/3.jpg")
    rows = listed(spark, root)
    assert {key: row.reason for key, row in rows.items()} == {
        "a//double.jpg": "unreadable source",
        "a/1.jpg": None,
        "a/b/2.jpg": None,
        "c/3.jpg": None,
    }
    assert rows["a//double.jpg"].detail == "a folder without a name (//)"


def test_photos_are_read_as_they_are(spark: SparkSession, aws: AwsServer, root: str) -> None:
    put(aws, *KEYS, data=photo(1))
    put(aws, "odd/../up.jpg", "odd/not a photo.jpg")
    rows = list_source(spark, Source(root)).mapInArrow(check_files, CHECKED_SCHEMA).collect()
    read = {row.source_path.removeprefix(f"{root}/"): row for row in rows}
    assert {key for key, row in read.items() if row.reason is None} == set(KEYS)
    assert {bytes(read[key].content) for key in KEYS} == {photo(1)}
    assert read["odd/../up.jpg"].reason == "unreadable source"
    assert read["odd/not a photo.jpg"].reason == "not an image"


def test_an_object_that_may_not_be_read_is_quarantined_alone(spark: SparkSession, aws: AwsServer, root: str) -> None:
    put(aws, "Kiwi/1.jpg", "Kiwi/2.jpg", data=photo(1))
    with aws.answering("GET /photos/Training/Kiwi/2.jpg", lambda _: s3_error("AccessDenied", 403)):
        rows = list_source(spark, Source(root)).mapInArrow(check_files, CHECKED_SCHEMA).collect()
    reasons = {Path(row.source_path).name: row.reason for row in rows}
    assert reasons == {"1.jpg": None, "2.jpg": "unreadable source"}


def test_what_is_not_there_is_said(aws: AwsServer, root: str) -> None:
    with pytest.raises(SourceError, match="there is no"):
        check_source(Source(root))
    put(aws, "", data=b"")
    with pytest.raises(SourceError, match="no photos"):
        check_source(Source(root))
    with pytest.raises(AwsError, match="no bucket 'nowhere'"):
        check_source(Source("s3://nowhere/Training"))
    put(aws, "1.jpg")
    check_source(Source(root))
    assert [f.source_path for f in walk_remote(root, True)] == [f"{root}/1.jpg"]


def test_a_prefix_that_is_an_object_is_no_folder(aws: AwsServer, root: str) -> None:
    put(aws, "1.jpg")
    with pytest.raises(SourceError, match="holds no photos"):
        check_source(Source(f"{root}/1.jpg"))
