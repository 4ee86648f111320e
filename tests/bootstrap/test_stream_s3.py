"""`fruitlake stream` from a bucket into a lake in a bucket, over HTTP: photos by listing, checkpoint in the lake."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.streaming import Pace, Stream
from tests.aws import AwsServer
from tests.bootstrap.test_stream import ONCE, SOON, running, until
from tests.commands import fruitlake_here
from tests.lakes import AWKWARD_LABELS, BucketLake
from tests.photos import photo

LAKE = "s3://stream-lake/my fruits"
PREFIX = "streamed"
PHOTOS = "photos [new] {a}/"

pytestmark = pytest.mark.exhaustive


class Lake(BucketLake):
    def stream(self, pace: Pace = ONCE) -> Stream:
        return Stream(self.settings(max_quarantine_share=0.5), pace, Console(quiet=True))

    def put(self, *keys: str, seed: int = 0) -> None:
        for index, key in enumerate(keys):
            self.server.s3.put_object(Bucket="stream-photos", Key=PHOTOS + key, Body=photo(seed + index))

    def paths(self, table: str) -> set[str]:
        """Keys of the photos in a bronze table, below the source."""
        return {row["source_path"].removeprefix(self.photos) for row in self.rows(table, "source_path")}

    def in_gold(self) -> int:
        return len(self.rows("gold.fruit_vectors", "image_id"))

    def checkpoint(self) -> list[str]:
        """Keys of all versions of the checkpoint's objects, deleted ones included."""
        found = self.server.s3.list_object_versions(Bucket="stream-lake", Prefix="my fruits/_stream/")
        return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, [])]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def lake(aws_server: AwsServer, spark: SparkSession, cache: Path) -> Iterator[Lake]:
    """A lake with a PCA: the first batch was an ordinary run over four photos of two labels."""
    aws_server.forget_tables()
    for bucket in ("stream-photos", "stream-lake"):
        aws_server.make_bucket(bucket)
    aws_server.s3.put_bucket_versioning(Bucket="stream-lake", VersioningConfiguration={"Status": "Enabled"})
    with aws_server.environment():
        made = Lake(aws_server, f"s3://stream-photos/{PHOTOS}", LAKE, PREFIX, cache)
        made.put("Banana/1.jpg", "Banana/2.jpg", "Lemon/1.jpg", "Lemon/2.jpg")
        made.stream().run()
        assert made.in_gold() == 4
        yield made


def test_all_kinds_of_keys_arrive_and_a_batch_that_is_given_again_changes_nothing(lake: Lake) -> None:
    awkward = [f"{label}/é 100%25 +.jpg" for label in AWKWARD_LABELS]
    lake.put(*awkward, "Banana/notes.txt", "Kiwi/a//b.jpg", "Mark/new.jpg", seed=10)
    for marker in ("Empty/", "Mark"):  # as S3's console creates a folder, and as other tools do
        lake.server.s3.put_object(Bucket="stream-photos", Key=PHOTOS + marker)
    lake.put("Banana/1.jpg", seed=50)  # overwritten
    lake.stream().run()
    arrived = {*awkward, "Mark/new.jpg"}
    assert lake.paths("bronze.images") >= arrived
    assert lake.in_gold() == 4 + len(arrived) + 1
    assert lake.paths("bronze.quarantine") == {"Kiwi/a//b.jpg"}

    before = lake.tables.current_snapshots()
    (commit,) = (key for key in lake.checkpoint() if key.endswith("/commits/1"))
    lake.server.s3.delete_object(Bucket="stream-lake", Key=commit)
    lake.stream().run()
    assert lake.tables.current_snapshots() == before
    assert lake.server.s3.head_object(Bucket="stream-lake", Key=commit)


def test_an_erasure_removes_every_version_of_the_checkpoint_and_the_stream_goes_on(lake: Lake, tmp_path: Path) -> None:
    key = f"{PHOTOS}Lemon/2.jpg"
    assert lake.checkpoint()
    lake.server.s3.delete_object(Bucket="stream-photos", Key=key)
    places = ("--lake", LAKE, "--database-prefix", PREFIX, "--source-path", f"s3://stream-photos/{key}")
    assert fruitlake_here("erase", *places, "--reason", "asked", cwd=tmp_path, FRUITLAKE_CACHE=str(lake.cache)) == 0
    assert lake.checkpoint() == []
    before = lake.in_gold()
    lake.put("Lemon/3.jpg", seed=81)
    with running(lake.stream(SOON)):
        until(lambda: lake.in_gold() > before)
    assert "Lemon/3.jpg" in lake.paths("bronze.images") and "Lemon/2.jpg" not in lake.paths("bronze.images")
    assert lake.checkpoint()
