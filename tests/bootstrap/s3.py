"""A lake with every layer in a bucket, built from photos in another bucket."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.glue import GlueCatalog
from pyspark.sql import SparkSession

from bootstrap.reporting import report_run
from ingestion.samples import write_sample_photos
from tests.aws import REGION, AwsServer
from tests.erased import QUIET
from tests.lakes import AWKWARD_LABELS, BucketLake
from tests.photos import sample_photo

LAKE = "s3://lake/my fruits"
IMAGES = "s3://photos/Training"
LABELS = sorted(["Apple Braeburn", "Banana", *AWKWARD_LABELS])


class Lake(BucketLake):
    @property
    def glue(self) -> GlueCatalog:
        """The lake's catalog, opened with plain PyIceberg."""
        patient = {"s3.request-timeout": "60"}  # Arrow's default is 3 s, too short on a busy machine
        endpoints = {"glue.endpoint": self.server.url, "s3.endpoint": self.server.url}
        return GlueCatalog("theirs", None, **{"client.region": REGION, **endpoints, **patient})

    def objects(self) -> dict[str, str]:
        """The tables' objects, as content by key."""
        pages = self.server.s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="my fruits/")
        found = {o["Key"].removeprefix("my fruits/"): o["ETag"] for page in pages for o in page.get("Contents", [])}
        return {key: tag for key, tag in found.items() if key.startswith(("bronze/", "silver/", "gold/"))}

    def labels(self) -> list[str]:
        return sorted({row["label"] for row in self.rows("gold.fruit_vectors", "label")})

    def moves_main(self, request: dict[str, Any], table: str) -> bool:
        """Whether a request to Glue would change the table that readers see."""
        if request["TableInput"]["Name"] != table:
            return False
        told = request["TableInput"]["Parameters"]
        old, new = (self._current(told[name]) for name in ("previous_metadata_location", "metadata_location"))
        return old != new

    def _current(self, metadata: str) -> int:
        key = metadata.removeprefix("s3://lake/")
        read: dict[str, int] = json.load(self.server.s3.get_object(Bucket="lake", Key=key)["Body"])
        return read["current-snapshot-id"]


@pytest.fixture(scope="module")
def lake(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """A lake with every layer, built from photos in a bucket."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=3, labels=("Apple Braeburn", "Banana"))
    for index, label in enumerate(AWKWARD_LABELS):
        (photos / label).mkdir()
        sample_photo("Plum", index, 64).save(photos / label / "plum #1.png")
    aws_server.forget_tables()
    for bucket in ("photos", "lake"):
        aws_server.make_bucket(bucket)
    for file in photos.rglob("*.*"):
        if file.is_file():
            aws_server.s3.upload_file(str(file), "photos", f"Training/{file.relative_to(photos)}")
    aws_server.s3.put_object(Bucket="photos", Key="Training/")  # as S3's console creates a folder
    with aws_server.environment():
        made = Lake(aws_server, IMAGES, LAKE, "fruits", cache)
        report_run(made.run(), QUIET)
        yield made
