"""`fruitlake query` and `fruitlake export` as users see them, on a local lake."""

import csv
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from catalog.errors import QueryError
from catalog.lake import Lake, open_lake
from catalog.query.answer import Answer
from catalog.query.duck import DuckDB
from catalog.query.output import Format, deliver, format_of
from tests.commands import Here, check_one_line, python
from tests.lakes_by_hand import LABELS, append, small_lake


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = small_lake(open_lake(str(tmp_path_factory.mktemp("lake") / "my lake")))
    append(lake, "bronze.images", [{"image_id": "1", "label": "Fig", "size": 9, "batch": "b1"}])
    append(lake, "gold.pca_variance", [{"component": n + 1, "kept": n < 9} for n in range(1280)])
    return lake


@pytest.fixture(scope="module")
def photo(built: Lake) -> str:
    """The id of a photo that has similar photos."""
    sql = "select image_id from gold.fruit_vectors where label = '🍎 +' order by image_id limit 1"
    return str(DuckDB(built).run(sql).rows["image_id"][0].as_py())


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_help_and_list_teach(here: Here) -> None:
    shown = here("query", "--help")
    for word in [
        "--sql",
        "--param",
        "--image-id",
        "--format",
        "--output",
        "--engine",
        "--as-of",
        "--workgroup",
        "nearest",
    ]:
        assert word in shown.out
    listed = here("query")
    assert listed.code == 0
    for word in ("nearest", "The ten photos most similar to a given one", "image_id", "growth", "outliers"):
        assert word in listed.out
    assert "sync-queries" in here("catalog", "--help").out


def test_the_nearest_photos_by_the_digits_a_table_shows(built: Lake, photo: str, here: Here) -> None:
    whole = here("query", "nearest", "--image-id", photo, "--lake", built.uri)
    assert whole.code == 0, whole.err
    assert whole.out.count("…") == 10
    assert "10 rows, DuckDB" in whole.err
    short = here("query", "nearest", "--image-id", f"{photo[:12]}…", "--lake", built.uri)
    assert short.out == whole.out


def test_digits_of_several_photos_are_too_few(built: Lake, here: Here) -> None:
    ids = DuckDB(built).run("select image_id from gold.fruit_vectors").rows["image_id"].to_pylist()
    first = next(d for d in "0123456789abcdef" if sum(i.startswith(d) for i in ids) > 1)
    done = here("query", "nearest", "--image-id", first, "--lake", built.uri)
    assert done.code == 1
    assert f"several photos' ids start with '{first}'" in done.err


def test_rows_go_to_stdout_or_to_a_file_whole(built: Lake, here: Here, tmp_path: Path) -> None:
    lake = ("--lake", built.uri)
    shown = here("query", "photos-per-label", "--format", "csv", *lake)
    assert shown.code == 0, shown.err
    labels = {row["label"] for row in rows_of(shown.out)}
    assert labels == set(LABELS)
    sql = "select label, centroid, photos from gold.label_summary where label = ? or label = ?"
    asked = ("query", "--sql", sql, "--param", "a=007", "--label", "null", *lake)
    for name in ("some.csv", "some.parquet"):
        done = here(*asked, "--output", name)
        assert (done.code, done.out) == (0, ""), done.err
        assert f"2 rows in {name}" in done.err
    read = {row["label"]: row for row in pq.read_table(tmp_path / "some.parquet").to_pylist()}
    assert set(read) == {"007", "null"}
    for row in rows_of((tmp_path / "some.csv").read_text()):
        assert row["centroid"] == str(read[row["label"]]["centroid"])
        assert row["photos"] == str(read[row["label"]]["photos"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("query", "nosuch"), ["no query 'nosuch'", "nearest", "--sql"]),
        (("query", "nearest"), ["needs image_id", "--image-id"]),
        (("query", "nearest", "--image-id", ""), ["no photo"]),
        (("query", "nearest", "--image-id", "xyz"), ["no photo", "xyz"]),
        (("query", "nearest", "--image-id", "a" * 64), ["gold has no photo", "a" * 64]),
        (("query", "growth", "--label", "Kiwi"), ["no parameter 'label'"]),
        (("query", "growth", "--sql", "select 1"), ["two queries"]),
        (("query", "growth", "--format", "parquet"), ["--output"]),
        (("query", "growth", "--output", "s3://lake/all.csv"), ["--output takes a file on this machine", "aws s3 cp"]),
        (("query", "growth", "--output", "."), ["'.' cannot be written", "--output"]),
        (("query", "growth", "--output", "file/such.csv"), ["'file/such.csv' cannot be written", "--output"]),
        (("query", "growth", "--engine", "athena"), ["Athena reads lakes in S3"]),
        (("query", "growth", "--as-of", "yesterday"), ["--as-of cannot be 'yesterday'", "gold.fruit_vectors "]),
        (("query", "photos_per_label", "--as-of", "2001-01-01"), ["label_summary has no version as of 2001-01-01"]),
        (("query", "growth", "--engine", "spark"), ["athena", "duckdb"]),
        (("query", "outliers", "--param", "label"), ["NAME=VALUE", "'label'"]),
        (("query", "outliers", "--param", "label=a", "--label", "b"), ["given twice"]),
        (("query", "--sql", "drop table gold.pca"), ["only reads"]),
        (("query", "--sql", "select * from gold.pca where k = ?"), ["1 question marks", "0 values"]),
        (("query", "growth", "--database-prefix", "Fr-uits"), ["--database-prefix", "Fr-uits"]),
        (("export", "gold.weights", "--to", "out"), ["no table gold.weights: it has bronze.images, gold.fruit"]),
        (("export", "gold.label_summary", "--to", "."), ["is not empty"]),
        (("export", "gold.label_summary", "--to", "gs://out"), ["gs://", "give a folder"]),
        (("export", "gold.label_summary"), ["--to"]),
        (("export", "gold.label_summary", "--to", "out", "--format", "json"), ["parquet", "csv"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], built: Lake, here: Here, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    done = here(*arguments, "--lake", built.uri)
    assert done.code in (1, 2) and done.out == ""
    check_one_line(done.err, *says)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_has_all_rows_in_every_format(built: Lake, here: Here, tmp_path: Path) -> None:
    asked = ("query", "--sql", "select component from gold.pca_variance order by 1", "--lake", built.uri)
    shown = here(*asked)
    assert "1,180 more rows" in shown.out
    assert here(*asked, "--output", "all.txt").code == 0
    text = (tmp_path / "all.txt").read_text()
    assert [int(line.strip("│ ").replace(",", "")) for line in text.splitlines() if "│" in line] == [*range(1, 1281)]


WHAT_IS_IMPORTED = """
import sys
from bootstrap.cli import main
lake = sys.argv[1]
for arguments in ["status"], ["query", "photos_per_label"]:
    sys.argv[1:] = [*arguments, "--lake", lake]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
print([name for name in ("pyspark", "dbt", "great_expectations", "boto3") if name in sys.modules])
"""


def test_who_only_looks_waits_for_no_spark(built: Lake, tmp_path: Path) -> None:
    done = python("-c", WHAT_IS_IMPORTED, built.uri, cwd=tmp_path)
    assert "gold.fruit_vectors" in done.stdout and "Braeburn" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_past_is_asked_for_by_snapshot_run_or_time(built: Lake, here: Here) -> None:
    snapshots = sorted(built.history("gold.fruit_vectors"), key=lambda s: s.created_at)
    asked = ("query", "--sql", "select count(*) as n from fruits_gold.fruit_vectors", "--format", "csv")
    for as_of in (str(snapshots[2].id), f"{snapshots[2].created_at.isoformat()}"):
        assert here(*asked, "--as-of", as_of, "--lake", built.uri)[:2] == (0, "n\n6\n")
    after = here(*asked, "--as-of", snapshots[0].run, "--lake", built.uri)
    assert after[:2] == (0, f"n\n{2 * len(LABELS)}\n")


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    """/dev/stdout must not be replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)
    deliver(Answer(pa.table({"a": [1, 2]}), "DuckDB", 0.1), Format.csv, pipe, Console())
    assert os.read(held, 100) == b"a\n1\n2\n"
    os.close(held)
    assert pipe.is_fifo()


def test_the_format_is_what_was_asked_for_or_the_file_s_name() -> None:
    assert format_of(None, None) is Format.table
    assert format_of(None, Path("a.CSV")) is Format.csv
    assert format_of(Format.csv, Path("a.parquet")) is Format.csv
    assert format_of(None, Path("a.txt")) is Format.table
    with pytest.raises(QueryError, match="--output"):
        format_of(Format.parquet, None)


def test_a_table_is_exported(built: Lake, here: Here, tmp_path: Path) -> None:
    done = here("export", "gold.fruit_vectors", "--to", "out", "--lake", built.uri)
    assert done.code == 0, done.err
    assert f"gold.fruit_vectors: {2 * len(LABELS)} rows, {len(LABELS)} files in {tmp_path}/out" in done.out
    assert (tmp_path / "out" / "label=Apple Braeburn" / "fruit_vectors.parquet").is_file()
    assert (tmp_path / "out" / "_SUCCESS").is_file()
