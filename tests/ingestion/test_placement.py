"""Files that were read are counted in the same way whether few of them are counted here or many by Spark."""

import pytest
from pyspark.sql import SparkSession

from ingestion import placement
from ingestion.placement import ReadFiles, count_read
from ingestion.reading import BLOCKED

FILES = [("a", None), ("a", None), ("b", None), (None, "empty"), (None, BLOCKED), (None, BLOCKED)]


@pytest.mark.parametrize("many", [placement._MANY, 0], ids=["few", "many"])
def test_photos_are_counted_with_and_without_copies(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(placement, "_MANY", many)
    read = spark.createDataFrame(FILES, "image_id string, reason string")
    assert count_read(read, len(FILES)) == ReadFiles(files=6, photos=3, distinct=2, blocked=2)
    assert count_read(read.limit(0), 1) == ReadFiles(0, 0, 0, 0)
