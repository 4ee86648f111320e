"""What a catalog says is what Spark sees, whatever the labels are called and whatever else lies about."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from catalog.attach import attach, attach_snapshot
from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot
from catalog.tables import FRUIT_VECTORS, LABEL_SUMMARY, QUARANTINE
from ingestion.reading import partition_value

LABELS = [
    "Apple Braeburn",
    "apple braeburn",
    "Pêche d'été",
    unicodedata.normalize("NFD", "Pêche d'été"),
    '"quoted"',
    "'",
    "100% juice",
    "%41",
    "a=b",
    "#1",
    "a+b & c",
    "🍎",
    ".hidden",
    "...",
    "_underlined",
    " spaces ",
    "two\nlines\tand a tab",
    "back\\slash\\",
    "\\u0041 \\%",
    "{a}[b]^c*?:",
    "${env:HOME}",
    "$1",
    "007",
    "1.50",
    "1e3",
    "true",
    "null",
    "2026-11-22",
    "L" * 200,
    "L" * 249,  # with `label=`, the longest name a file system takes
]


def vectors(catalog: LocalCatalog, id_: str, labels: list[str], parent: str | None = None) -> Snapshot:
    """A snapshot of gold.fruit_vectors over the folders that its writer made."""
    location = f"gold/fruit_vectors/snapshot={id_}"
    folders = {label: f"{location}/label={partition_value(label)}" for label in labels}
    assert all((Path(catalog.lake) / folder).is_dir() for folder in folders.values())
    return Snapshot(
        "gold.fruit_vectors",
        id_,
        location,
        FRUIT_VECTORS.columns,
        rows=len(labels),
        bytes=0,
        partition_by="label",
        partitions=folders,
        parent=parent,
    )


def write(spark: SparkSession, catalog: LocalCatalog, id_: str, labels: list[str]) -> None:
    """One row a label, in the way `publish` writes."""
    rows = [(label.encode().hex(), [1.0, 2.0], "p", label) for label in labels]
    frame = spark.createDataFrame(rows, "image_id string, vector array<float>, pca_id string, label string")
    by_label = frame.coalesce(1).write.partitionBy("label")
    by_label.parquet(f"{catalog.lake}/gold/fruit_vectors/snapshot={id_}")


def test_labels_survive_the_way_to_spark_and_pyarrow(spark: SparkSession, catalog: LocalCatalog) -> None:
    write(spark, catalog, "1", LABELS)
    catalog.publish(vectors(catalog, "1", LABELS))
    attach(spark, catalog)
    table = spark.table("gold.fruit_vectors")

    assert {row.label: row.image_id for row in table.collect()} == {x: x.encode().hex() for x in LABELS}
    some = ["007", "Pêche d'été", "back\\slash\\"]
    assert sorted(row.label for row in table.where(F.col("label").isin(some)).collect()) == some

    snapshot = catalog.current("gold.fruit_vectors")
    assert snapshot is not None
    by_label = ds.partitioning(pa.schema([("label", pa.string())]), flavor="hive")
    read = ds.dataset(f"{catalog.lake}/{snapshot.location}", partitioning=by_label).to_table().to_pylist()
    assert {row["label"]: row["image_id"] for row in read} == {x: x.encode().hex() for x in LABELS}


def test_only_folders_that_the_snapshot_names_are_seen(spark: SparkSession, catalog: LocalCatalog) -> None:
    write(spark, catalog, "1", ["Pear", "Plum", "Kiwi"])  # Kiwi's folder belongs to no snapshot
    write(spark, catalog, "2", ["Fig"])  # nor does the folder of a run that was stopped
    catalog.publish(vectors(catalog, "1", ["Pear", "Plum"]))
    attach(spark, catalog)
    assert sorted(row.label for row in spark.table("gold.fruit_vectors").collect()) == ["Pear", "Plum"]


def test_a_session_follows_publish_and_rollback(spark: SparkSession, catalog: LocalCatalog) -> None:
    def seen() -> list[str]:
        attach(spark, catalog)
        return sorted(row.label for row in spark.table("gold.fruit_vectors").collect())

    write(spark, catalog, "1", ["Pear", "Plum"])
    catalog.publish(vectors(catalog, "1", ["Pear", "Plum"]))
    assert seen() == ["Pear", "Plum"]
    write(spark, catalog, "2", ["Fig", "Plum"])
    catalog.publish(vectors(catalog, "2", ["Fig", "Plum"], parent="1"))
    assert seen() == ["Fig", "Plum"]
    catalog.rollback("gold.fruit_vectors", "1")
    assert seen() == ["Pear", "Plum"]


def test_a_session_forgets_the_lake_it_had_attached(spark: SparkSession, catalog: LocalCatalog, tmp_path: Path) -> None:
    write(spark, catalog, "1", ["Pear"])
    catalog.publish(vectors(catalog, "1", ["Pear"]))
    attach(spark, catalog)
    attach(spark, LocalCatalog(str(tmp_path / "another lake")))
    assert not spark.catalog.tableExists("gold.fruit_vectors")
    attach(spark, catalog)
    assert spark.table("gold.fruit_vectors").count() == 1  # no file was touched


def reject(lake: str, batch: str) -> str:
    """A batch of bronze.quarantine with one row, named like the batch. Returns its folder."""
    folder = f"bronze/quarantine/batch={batch}"
    (Path(lake) / folder).mkdir(parents=True)
    pq.write_table(pa.table({"source_path": [batch], "reason": ["empty"]}), f"{lake}/{folder}/part-0.parquet")
    return folder


def batches(lake: str, ids: list[str]) -> Snapshot:
    folders = {id_: reject(lake, id_) for id_ in ids}
    columns = tuple(c for c in QUARANTINE.columns if c.name in ("source_path", "reason", "batch"))
    return Snapshot(
        "bronze.quarantine", "1", "bronze/quarantine", columns, 1, 0, partition_by="batch", partitions=folders
    )


def test_batches_of_an_appending_table_are_read_as_one(spark: SparkSession, catalog: LocalCatalog) -> None:
    catalog.publish(batches(catalog.lake, ["1", "2"]))
    reject(catalog.lake, "stopped")
    attach(spark, catalog)
    rows = spark.table("bronze.quarantine").orderBy("batch").collect()
    assert [(row.source_path, row.batch) for row in rows] == [("1", "1"), ("2", "2")]


def test_hundreds_of_partitions_are_attached(spark: SparkSession, catalog: LocalCatalog) -> None:
    """More than one statement takes."""
    name = attach_snapshot(
        spark, catalog.lake, batches(catalog.lake, [f"{n:03}" for n in range(201)]), "candidate.many"
    )
    assert (name, spark.table(name).count()) == ("candidate.many", 201)
    assert spark.table(name).agg(F.max("source_path")).collect()[0][0] == "200"


def test_a_table_without_partitions_and_its_comments(spark: SparkSession, catalog: LocalCatalog) -> None:
    folder = Path(catalog.lake) / "gold" / "label_summary" / "snapshot=1"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"label": ["Pêche d'été"], "photos": [3]}), folder / "part-0.parquet")
    label, photos = LABEL_SUMMARY.columns[:2]
    columns = (replace(label, comment="the fruit's name, \\ and all"), photos)
    catalog.publish(Snapshot("gold.label_summary", "1", "gold/label_summary/snapshot=1", columns, 1, 0))
    attach(spark, catalog)
    table = spark.table("gold.label_summary")
    assert [tuple(row) for row in table.collect()] == [("Pêche d'été", 3)]
    assert [field.metadata["comment"] for field in table.schema] == ["the fruit's name, \\ and all", photos.comment]
    assert table.schema["photos"].dataType.simpleString() == "bigint"


def test_an_empty_snapshot_is_an_empty_table(spark: SparkSession, catalog: LocalCatalog) -> None:
    catalog.publish(replace(batches(catalog.lake, []), rows=0))
    attach(spark, catalog)
    assert spark.table("bronze.quarantine").columns == ["source_path", "reason", "batch"]
    assert spark.table("bronze.quarantine").count() == 0


@pytest.mark.parametrize("schema", ["bronze", "silver", "gold"])
def test_an_empty_lake_has_its_schemas(spark: SparkSession, catalog: LocalCatalog, schema: str) -> None:
    attach(spark, catalog)
    assert spark.catalog.databaseExists(schema)
    assert not spark.catalog.listTables(schema)
