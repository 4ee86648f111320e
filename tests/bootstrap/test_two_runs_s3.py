"""Two runs at once, as processes, on one lake in S3: the loser says so, and Glue lists what is published."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from catalog.datasets import dataset
from catalog.glue import GlueCatalog
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.torture.processes import race, start

LAKE, PREFIX = "s3://raced/lake", "raced"


def test_two_runs_at_once_lose_nothing(aws: AwsServer, s3_spark: SparkSession, cache: Path, tmp_path: Path) -> None:
    """s3_spark has fetched the jars, or skips."""
    aws.make_bucket("raced")
    write_sample_photos(tmp_path, per_label=2, size=64, labels=("Lemon", "Banana"), workers=1)
    (tmp_path / "Lemon" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut short")
    asked = ("bronze", "--images", str(tmp_path), "--lake", LAKE, "--database-prefix", PREFIX)
    given = {"FRUITLAKE_CACHE": str(cache), "FRUITLAKE_MAX_QUARANTINE_SHARE": "1"} | aws.variables
    race([start(*asked, **given) for _ in range(2)])
    catalog = GlueCatalog(LAKE, PREFIX)
    for table, rows in (("images", 4), ("quarantine", 1)):
        snapshot = catalog.current(f"bronze.{table}")
        assert snapshot is not None
        assert snapshot.rows == dataset(LAKE, snapshot).count_rows() == rows
        listed = aws.glue.get_partitions(DatabaseName=f"{PREFIX}_bronze", TableName=table)["Partitions"]
        assert {p["Values"][0]: p["StorageDescriptor"]["Location"].rstrip("/") for p in listed} == {
            value: f"{LAKE}/{folder}" for value, folder in snapshot.partitions.items()
        }
        stored = aws.s3.list_objects_v2(Bucket="raced", Prefix=f"lake/bronze/{table}/")["Contents"]
        folders = {o["Key"].removeprefix("lake/").rsplit("/", 1)[0] for o in stored if o["Key"].endswith(".parquet")}
        assert folders == set(snapshot.partitions.values()), "the loser has taken its files away"
