"""DuckDB's answers are Spark's, of the same snapshots, awkward labels included."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession

from catalog.attach import attach
from catalog.errors import CatalogError, QueryError
from catalog.local import LocalCatalog
from catalog.query.duck import DuckDB
from catalog.query.named import named_query
from catalog.snapshot import Snapshot
from catalog.tables import LABEL_SUMMARY, PCA
from tests.lakes import AWKWARD_LABELS, Lake

_DOT = "aggregate(zip_with({0}, {1}, (x, y) -> double(x) * double(y)), 0d, (t, x) -> t + x)"
_FAR = "sqrt(aggregate(zip_with(vector, centroid, (x, c) -> (x - c) * (x - c)), 0d, (t, x) -> t + x))"
_COSINE = f"{_DOT.format('v.vector', 'g.vector')} / sqrt({_DOT.format('v.vector', 'v.vector')})"
SPARK = {  # each question asked anew, in Spark's SQL
    "photos_per_label": "SELECT label, photos, share, spread FROM gold.label_summary ORDER BY photos DESC, label",
    "explained_variance": "SELECT component, eigenvalue, ratio, cumulative FROM gold.pca_variance "
    "WHERE component <= (SELECT k FROM gold.pca) ORDER BY component",
    "nearest": f"SELECT v.image_id, v.label, {_COSINE} / sqrt({_DOT.format('g.vector', 'g.vector')}) AS cosine "
    "FROM gold.fruit_vectors v, gold.fruit_vectors g WHERE g.image_id = '{image_id}' AND v.image_id <> g.image_id "
    "ORDER BY cosine DESC, v.image_id LIMIT 10",
    "label_similarity": "SELECT label, rank, other_label, cosine FROM gold.label_similarity WHERE rank <= 5 "
    "ORDER BY label, rank",
    "outliers": f"SELECT image_id, v.label, {_FAR} AS distance, {_FAR} / spread AS spreads FROM gold.fruit_vectors v "
    "JOIN gold.label_summary s ON v.label = s.label WHERE spread > 0 ORDER BY spreads DESC, image_id LIMIT 50",
    "growth": "SELECT batch, min(ingested_at) AS ingested_at, count(*) AS photos, count(DISTINCT label) AS labels, "
    "sum(size) AS bytes, sum(count(*)) OVER (ORDER BY batch) AS photos_so_far FROM bronze.images "
    "GROUP BY batch ORDER BY batch",
}


@pytest.fixture
def spark_of_built(built: Lake, spark: SparkSession) -> Iterator[SparkSession]:
    attach(spark, built.catalog)
    yield spark


def alike(row: dict[str, object], expected: Row) -> bool:
    """Equal, numbers up to the last digits: engines add in different orders."""
    return list(row) == expected.__fields__ and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(row.values(), expected, strict=True)
    )


@pytest.mark.parametrize("name", SPARK)
def test_a_query_answers_as_spark_does(name: str, built: Lake, spark_of_built: SparkSession) -> None:
    photo = spark_of_built.table("gold.fruit_vectors").where("label = 'Kiwi Half'").first()
    assert photo is not None
    given = {"image_id": photo.image_id} if name == "nearest" else {}
    query = named_query(name)
    rows = DuckDB(built.catalog).run(query.sql, query.values(given)).rows.to_pylist()
    expected = spark_of_built.sql(SPARK[name].replace("{image_id}", photo.image_id)).collect()
    assert len(rows) == len(expected) > 0
    for row, other in zip(rows, expected, strict=True):
        assert alike(row, other), (row, other)


@pytest.mark.parametrize("table", ["bronze.images", "silver.image_features", "gold.fruit_vectors", "gold.pca"])
def test_every_row_is_read_as_spark_reads_it(table: str, built: Lake, spark_of_built: SparkSession) -> None:
    key = "pca_id" if table == "gold.pca" else "image_id"
    rows = DuckDB(built.catalog).run(f"select * from {table} order by {key}").rows.to_pylist()
    expected = [r.asDict() for r in spark_of_built.table(table).orderBy(key).collect()]
    assert rows == expected


def test_labels_are_what_the_catalog_says(built: Lake) -> None:
    lake = DuckDB(built.catalog)
    for label in AWKWARD_LABELS:
        found = lake.run("select label from gold.fruit_vectors where label = ?", [label]).rows.to_pylist()
        assert found == [{"label": label}]
    narrowed = named_query("label_similarity")
    rows = lake.run(narrowed.sql, narrowed.values({"label": "007"})).rows.to_pylist()
    assert [(r["label"], r["rank"]) for r in rows] == [("007", n) for n in range(1, 6)]


def test_a_value_is_never_sql(built: Lake) -> None:
    sql = "select count(*) as photos from gold.fruit_vectors where label = ?"
    assert DuckDB(built.catalog).run(sql, ["x' or '1' = '1"]).rows.to_pylist() == [{"photos": 0}]


def test_sql_means_what_it_means_in_athena(built: Lake) -> None:
    """Division of whole numbers, functions of other names, positions from 1."""
    sql = """select 7 / 2 as half, count(*) / 2 as photos, max(vector[1]) = max(element_at(vector, 1)) as first,
        date_diff('day', date '2026-01-01', date '2026-01-31') as days,
        reduce(array[1, 2], 0, (t, x) -> t + x, t -> t) as total,
        zip_with(array[1, 2], array[10, 20], (x, y) -> y - x) as differences
        from gold.fruit_vectors"""
    photos = built.catalog.current("gold.fruit_vectors")
    assert photos is not None
    assert DuckDB(built.catalog).run(sql).rows.to_pylist() == [
        {"half": 3, "photos": photos.rows // 2, "first": True, "days": 30, "total": 3, "differences": [9, 18]}
    ]


def test_a_half_becomes_the_whole_number_that_athena_makes_of_it(built: Lake) -> None:
    """The one farther from zero; DuckDB by itself would take the even one."""
    sql = "select cast(2.5e0 as integer) as up, try_cast(-2.5e0 as bigint) as down, cast(k + 0.5e0 as int) - k as one"
    rows = DuckDB(built.catalog).run(f"{sql} from gold.pca").rows.to_pylist()
    assert rows == [{"up": 3, "down": -3, "one": 1}]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select weight from gold.pca", "'weight' could not be resolved"),
        ("select 1 from gold.weights", "no table gold.weights: it has bronze.images"),
        ("select * from pca", "pca"),
        ("select reduce(array[1], 0, (t, x) -> t + x, t -> t * 2)", "only of Athena"),
        ("select cast('x' as integer)", "DuckDB: Conversion Error"),
    ],
)
def test_what_cannot_be_answered_is_told(sql: str, says: str, built: Lake) -> None:
    with pytest.raises(QueryError, match=says):
        DuckDB(built.catalog).run(sql)


def test_ctrl_c_stops_a_long_query(built: Lake) -> None:
    forever = ", ".join(f"gold.pca_variance as t{n}" for n in range(6))
    soon = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    soon.start()
    with pytest.raises(KeyboardInterrupt):
        DuckDB(built.catalog).run(f"select sum(t0.ratio * t1.ratio * t2.ratio * t3.ratio) as s from {forever}")


@pytest.mark.parametrize("function", ["read_csv", "read_text", "read_parquet"])
def test_a_query_sees_the_lake_and_no_other_file(function: str, built: Lake, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(QueryError, match="disabled"):
        DuckDB(built.catalog).run(f"select * from {function}('{secret}')")


def folder(catalog: LocalCatalog, rows: pa.Table | None) -> Snapshot:
    """A snapshot of gold.label_summary; without rows its folder has no file."""
    columns = LABEL_SUMMARY.columns[:2]
    location = "gold/label_summary/snapshot=1"
    (Path(catalog.lake) / location).mkdir(parents=True)
    if rows is not None:
        pq.write_table(rows, f"{catalog.lake}/{location}/part-0.parquet")
    return Snapshot(LABEL_SUMMARY.name, "1", location, columns, rows.num_rows if rows else 0, 0)


def test_an_empty_table_has_its_columns(catalog: LocalCatalog) -> None:
    catalog.publish(folder(catalog, None))
    answer = DuckDB(catalog).run("select label, photos, count(*) over () as n from gold.label_summary").rows
    assert (answer.num_rows, answer.column_names) == (0, ["label", "photos", "n"])


def test_the_current_snapshot_is_read_wherever_the_lake_lies(catalog: LocalCatalog) -> None:
    catalog.publish(folder(catalog, pa.table({"label": ["Fig"], "photos": [3]})))
    abandoned = Path(catalog.lake) / "gold" / "label_summary" / "snapshot=2"
    abandoned.mkdir()
    pq.write_table(pa.table({"label": ["Plum"], "photos": [9]}), abandoned / "part-0.parquet")
    assert DuckDB(catalog).run("select label, photos from gold.label_summary").rows.to_pylist() == [
        {"label": "Fig", "photos": 3}
    ]


def test_a_lake_without_the_table_or_its_files_says_so(catalog: LocalCatalog) -> None:
    with pytest.raises(CatalogError, match="there is no lake at"):
        DuckDB(catalog)
    catalog.publish(replace(folder(catalog, None), rows=3))
    with pytest.raises(CatalogError, match=r"no Parquet file in .*snapshot=1"):
        DuckDB(catalog).run("select label from gold.label_summary")
    with pytest.raises(QueryError, match=r"no table gold.pca: it has gold.label_summary so far"):
        DuckDB(catalog).run(f"select k from {PCA.name}")
