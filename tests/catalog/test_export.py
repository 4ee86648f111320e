"""Exports: plain files that Spark, pyarrow and spreadsheets can read, with every label unchanged."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from catalog.errors import CatalogError
from catalog.export import export, folder_name
from catalog.lake import Lake, open_lake
from catalog.tables import FRUIT_VECTORS, LABEL_SUMMARY
from tests.aws import AwsServer
from tests.lakes_by_hand import LABELS, append, small_lake, vectors

KEY = [("label", "ascending"), ("image_id", "ascending")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake in which every label has photos from two runs, and so two files."""
    made = small_lake(open_lake(str(tmp_path_factory.mktemp("lake"))))
    for n, label in enumerate(LABELS):
        append(made, "gold.fruit_vectors", vectors(label, (1.0, n), (0.5, n), (0.25, n))[2:])
    return made


def expected() -> pa.Table:
    found = []
    for n, label in enumerate(LABELS):
        found += vectors(label, (1.0, n), (0.5, n + 1.0), (0.25, n))
    return pa.Table.from_pylist([dict(r) for r in found], FRUIT_VECTORS.arrow_schema).sort_by(KEY)


def as_stored(rows: pa.Table) -> pa.Table:
    """The rows, with columns and rows in the same order as in `expected`."""
    return rows.select(FRUIT_VECTORS.arrow_schema.names).cast(FRUIT_VECTORS.arrow_schema).sort_by(KEY)


def test_vectors_become_a_folder_per_label_with_one_file_each(lake: Lake, tmp_path: Path) -> None:
    to = tmp_path / "to here, 100% #1 [v1]"
    assert export(lake, "gold.fruit_vectors", str(to)) == (3 * len(LABELS), len(LABELS))
    folders = {folder.name for folder in to.iterdir() if folder.is_dir()}
    assert {
        "label=Apple Braeburn",
        "label=Pêche d%27été",
        "label=100%25 %3D %231",
        "label=🍎 +",
        "label=007",
    } <= folders
    assert {p.name for p in to.iterdir()} - folders == {"_SUCCESS"}
    files = list(to.rglob("*.parquet"))
    assert [len(list(f.iterdir())) for f in to.iterdir() if f.is_dir()] == [1] * len(LABELS)
    assert {pq.ParquetFile(f).num_row_groups for f in files} == {1}
    assert pq.read_schema(files[0]).names == ["image_id", "vector", "pca_id"]


def test_pyarrow_reads_every_label_back(lake: Lake, tmp_path: Path) -> None:
    export(lake, "gold.fruit_vectors", str(tmp_path / "out"))
    hive = ds.partitioning(pa.schema([("label", pa.string())]), flavor="hive")
    assert as_stored(ds.dataset(tmp_path / "out", partitioning=hive).to_table()).equals(expected())


def test_spark_reads_every_label_back(lake: Lake, spark: SparkSession, tmp_path: Path) -> None:
    export(lake, "gold.fruit_vectors", str(tmp_path / "out"))
    read = spark.read.schema(FRUIT_VECTORS.ddl).parquet(str(tmp_path / "out"))
    assert as_stored(read.toArrow()).equals(expected())
    guessed = spark.read.parquet(str(tmp_path / "out")).select("label").distinct()
    assert {row.label for row in guessed.collect()} == set(LABELS), "also with the type that Spark infers"


def test_a_bucket_is_written_and_holds_no_folders(lake: Lake, aws: AwsServer) -> None:
    to = f"s3://{aws.make_bucket('exports')}/to here/#1"
    export(lake, "gold.fruit_vectors", to)
    keys = [o["Key"] for o in aws.s3.list_objects_v2(Bucket="exports")["Contents"]]
    assert len(keys) == len(LABELS) + 1
    assert "to here/#1/label=Apple Braeburn/fruit_vectors.parquet" in keys
    assert not [k for k in keys if k.endswith("/")]
    newest = max(aws.s3.list_objects_v2(Bucket="exports")["Contents"], key=lambda o: o["LastModified"])
    assert newest["LastModified"] >= aws.s3.head_object(Bucket="exports", Key=keys[0])["LastModified"]
    with pytest.raises(CatalogError, match=r"'s3://exports/to here/#1' is not empty"):
        export(lake, "gold.fruit_vectors", to)


def test_another_table_is_one_file(lake: Lake, tmp_path: Path) -> None:
    export(lake, "gold.label_summary", str(tmp_path / "parquet"))
    assert {p.name for p in (tmp_path / "parquet").iterdir()} == {"label_summary.parquet", "_SUCCESS"}
    rows = pq.read_table(tmp_path / "parquet" / "label_summary.parquet")
    assert rows.schema.equals(LABEL_SUMMARY.arrow_schema)
    assert set(rows["label"].to_pylist()) == set(LABELS)


def test_csv_is_one_file_with_every_column(lake: Lake, tmp_path: Path) -> None:
    for table in ("gold.label_summary", "gold.fruit_vectors"):
        export(lake, table, str(tmp_path / table), "csv")
    summary = list(csv.DictReader((tmp_path / "gold.label_summary" / "label_summary.csv").open(encoding="utf-8")))
    assert {(r["label"], r["photos"], r["centroid"]) for r in summary} >= {("007", "2", "[0.75, 6.5]")}
    text = (tmp_path / "gold.fruit_vectors" / "fruit_vectors.csv").read_text(encoding="utf-8")
    assert text.count("image_id") == 1
    assert sorted(r["label"] for r in csv.DictReader(io.StringIO(text))) == sorted(LABELS * 3)


def test_an_empty_table_is_a_file_without_rows(tmp_path: Path) -> None:
    lake = open_lake(str(tmp_path / "lake"))
    append(lake, "gold.label_summary", [])
    assert export(lake, "gold.label_summary", str(tmp_path / "out")) == (0, 1)
    assert pq.read_table(tmp_path / "out" / "label_summary.parquet").num_rows == 0


def test_nothing_is_overwritten(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(CatalogError, match=r"out' is not empty: give --to another folder, or empty this one"):
        export(lake, "gold.label_summary", str(tmp_path / "out"))
    with pytest.raises(CatalogError, match="overlap"):
        export(lake, "gold.label_summary", f"{lake.uri}/out")
    with pytest.raises(CatalogError, match=r"mine.txt' cannot be written"):
        export(lake, "gold.label_summary", str(tmp_path / "out" / "mine.txt"))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_what_cannot_be_exported_is_said_before_anything_is_written(tmp_path: Path) -> None:
    lake = small_lake(open_lake(str(tmp_path / "lake")))
    append(lake, "bronze.images", [{"image_id": "1", "content": b"\xff"}])
    out = str(tmp_path / "out")
    with pytest.raises(CatalogError, match=r"no table gold.pca: it has bronze.images"):
        export(lake, "gold.pca", out)
    with pytest.raises(CatalogError, match=r"bronze.images holds photos, which CSV cannot"):
        export(lake, "bronze.images", out, "csv")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CatalogError, match="there is no lake at"):
        export(open_lake(str(tmp_path / "none")), "gold.pca", out)


def test_a_label_too_long_for_a_folder_is_said_before_anything_is_written(aws: AwsServer, tmp_path: Path) -> None:
    """A bucket has no folders, so a lake in one can have such a label."""
    lake = small_lake(open_lake(f"s3://{aws.make_bucket('lake')}/fruits"))
    append(lake, "gold.fruit_vectors", vectors("x" * 200 + "%" * 20, (1.0,)))  # each % is escaped as three bytes
    with pytest.raises(CatalogError, match=r"the label 'xxx.*…' is too long for a folder's name \(266 bytes"):
        export(lake, "gold.fruit_vectors", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert export(lake, "gold.fruit_vectors", str(tmp_path / "out"), "csv")[0] == 2 * len(LABELS) + 1


@pytest.mark.parametrize("label", ["", "__HIVE_DEFAULT_PARTITION__", None, "a\0b"])
def test_a_label_that_would_be_read_back_as_another_is_refused(label: str | None) -> None:
    with pytest.raises(CatalogError, match="cannot be a folder's name"):
        folder_name("label", label)


def test_folders_are_named_as_spark_names_them(spark: SparkSession, tmp_path: Path) -> None:
    labels = [*LABELS, "tab\there", "a|b<c>d}e~f&g", "\x7f", "new\nline", " both ends "]
    spark.createDataFrame([(x, 1) for x in labels], "label string, n int").write.partitionBy("label").parquet(
        str(tmp_path / "out")
    )
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == {folder_name("label", x) for x in labels}


def test_memory_holds_a_part_of_a_large_table(tmp_path: Path) -> None:
    """160 photos of 1 MB, in row groups of 16, are exported with less memory than they take."""
    lake = open_lake(str(tmp_path / "lake"))
    append(lake, "bronze.images", [{"image_id": str(n), "content": bytes([n]) * 2**20} for n in range(2)])
    loaded = lake.load("bronze.images")
    assert loaded is not None
    with loaded.transaction() as change:
        change.set_properties(
            {"write.parquet.row-group-limit": "16", "write.parquet.compression-codec": "uncompressed"}
        )
    append(lake, "bronze.images", [{"image_id": str(n), "content": bytes([n % 256]) * 2**20} for n in range(160)])
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, lake.uri, str(tmp_path / "out")], capture_output=True, text=True
    )
    rows, peak = done.stdout.split()
    assert int(rows) == 162
    assert int(peak) < 128 * 2**20


EXPORT = """
import sys
import pyarrow as pa
from catalog.export import export
from catalog.lake import open_lake
print(export(open_lake(sys.argv[1]), "bronze.images", sys.argv[2])[0], pa.default_memory_pool().max_memory())
"""
