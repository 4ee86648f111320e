"""The whole pipeline on a small lake: what users rely on, checked with Spark and with pyarrow."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from bootstrap.standing import find_standing
from catalog.scan import data_files, dataset
from catalog.stored_pca import load_pca
from catalog.tables import TABLES
from ingestion.reading import partition_folder
from ingestion.samples import write_sample_photos
from tests.erased import check_marts
from tests.lakes import AWKWARD_LABELS, Lake


def test_every_table_is_published(built: Lake) -> None:
    assert built.tables.tables() == list(TABLES)
    rows = {name: built.current(name).rows for name in TABLES}
    photos = len(list(built.photos.glob("*/*")))
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == photos
    assert rows["gold.pca"] == 1
    assert rows["bronze.quarantine"] == 0


def test_awkward_labels_survive_to_spark_and_pyarrow(built: Lake) -> None:
    with built.open() as run:
        by_spark = {r.label for r in run.spark.sql("SELECT DISTINCT label FROM fruits_gold.fruit_vectors").collect()}
    table = built.tables.load("gold.fruit_vectors")
    assert table is not None
    by_pyiceberg = set(table.scan(selected_fields=("label",)).to_arrow()["label"].to_pylist())
    files = [task.file.file_path for task in table.scan().plan_files()]
    found = duckdb.sql(
        "select distinct label from read_parquet($files, hive_partitioning = false)", params={"files": files}
    )
    assert found is not None  # a SELECT always returns a relation
    by_duckdb = {label for (label,) in found.fetchall()}
    assert by_spark == by_pyiceberg == by_duckdb == {p.name for p in built.photos.iterdir()}
    assert by_spark >= set(AWKWARD_LABELS)


def test_gold_holds_one_file_per_label(built: Lake) -> None:
    files = dataset(built.tables, "gold.fruit_vectors").files
    folders = [Path(file).parent.name for file in files]
    assert sorted(folders) == sorted(partition_folder(label.name) for label in built.photos.iterdir())


def test_the_kept_components_just_reach_the_target(built: Lake) -> None:
    rows = sorted(built.rows("gold.pca_variance"), key=lambda row: row["component"])
    kept = [row for row in rows if row["kept"]]
    assert kept[-1]["cumulative"] >= 0.90 > rows[len(kept) - 2]["cumulative"]
    assert rows[-1]["cumulative"] == pytest.approx(1)
    assert {len(row["vector"]) for row in built.rows("gold.fruit_vectors", "vector")} == {len(kept)}


def test_the_stored_pca_gives_the_stored_vectors(built: Lake) -> None:
    """gold.pca is sufficient: nothing else has to be saved or loaded."""
    stored = load_pca(built.tables)
    features = {row["image_id"]: row["features"] for row in built.rows("silver.image_features")}
    for row in built.rows("gold.fruit_vectors"):
        [projected] = stored.project(np.array([features[row["image_id"]]]))
        np.testing.assert_allclose(row["vector"], projected, atol=1e-5)
        assert row["pca_id"] == stored.pca_id


def test_the_marts_agree_with_numpy(built: Lake) -> None:
    check_marts(built)


def test_the_same_photos_again_publish_nothing(built: Lake) -> None:
    run = built.run()
    assert set(run.outcomes) == set(TABLES)
    assert not any(outcome.new for outcome in run.outcomes.values())
    counts = run.ingested()
    assert counts is not None
    assert (counts.found, counts.stored) == (counts.known, 0)
    standing = find_standing(built.settings(), "all")
    assert standing is not None and standing.counts == counts, "this must not need Spark"


def test_a_single_photo_makes_a_lake(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=1, labels=("Plum",))
    lake.run()
    assert (lake.current("gold.fruit_vectors").rows, lake.current("gold.label_similarity").rows) == (1, 0)


def test_files_are_compressed_with_zstd_unless_they_hold_photos(built: Lake) -> None:
    codecs = {}
    for name in TABLES:
        table = built.tables.load(name)
        assert table is not None
        groups = [pq.read_metadata(file.removeprefix("file://")).row_group(0) for file in data_files(table)]
        codecs[name] = {group.column(i).compression for group in groups for i in range(group.num_columns)}
    assert codecs.pop("bronze.quarantine") == set()
    assert codecs.pop("bronze.images") == {"UNCOMPRESSED"}
    assert set.union(*codecs.values()) == {"ZSTD"}
