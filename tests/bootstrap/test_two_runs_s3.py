"""Two concurrent runs, as processes, on one lake in S3: the loser says so, and Glue has every row once.

They use the credentials of a role, configured only by a profile.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from catalog.lake import open_lake
from catalog.scan import dataset
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.torture.processes import race, start

LAKE, PREFIX = "s3://raced/lake", "raced"
KEY = "ASIAOFAROLE"


def role(folder: Path) -> dict[str, str]:
    """Variables that select a profile whose credentials expire within the hour; they contain no keys."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}
    (folder / "answer.json").write_text(json.dumps(answer))
    (folder / "config").write_text(f"[profile ada]\ncredential_process = cat '{folder}/answer.json'\n")
    return {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "ada"}


@pytest.mark.exhaustive
def test_two_runs_at_once_lose_nothing(aws: AwsServer, spark: SparkSession, cache: Path, tmp_path: Path) -> None:
    """Requests `spark`, because starting it downloads the jars."""
    aws.make_bucket("raced")
    photos = tmp_path / "photos"
    write_sample_photos(photos, per_label=2, labels=("Lemon", "Banana"))
    (photos / "Lemon" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut short")
    asked = ("bronze", "--images", str(photos), "--lake", LAKE, "--database-prefix", PREFIX)
    given = {"FRUITLAKE_CACHE": str(cache), "FRUITLAKE_MAX_QUARANTINE_SHARE": "1"} | aws.variables
    given |= role(tmp_path) | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    aws.signed_by.clear()
    race([start(*asked, **given) for _ in range(2)])
    assert aws.signed_by == {KEY}, "boto3, Arrow and Java's SDK use the role's credentials"
    lake = open_lake(LAKE, PREFIX)
    for table, rows in (("images", 4), ("quarantine", 1)):
        snapshot = lake.current(f"bronze.{table}")
        assert snapshot is not None
        assert snapshot.rows == dataset(lake, f"bronze.{table}").count_rows() == rows
        loaded = lake.load(f"bronze.{table}")
        assert loaded is not None
        assert list(loaded.refs()) == ["main"], "the loser must drop its branch"
