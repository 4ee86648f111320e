"""`fruitlake query` and `fruitlake catalog`, as a user meets them: on a local lake, and on one in S3."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bootstrap.answers import Format, deliver, format_of
from catalog.errors import QueryError
from catalog.query.answer import Answer
from catalog.query.duck import DuckDB
from tests.athena import AthenaServer, athena_server
from tests.bootstrap.test_cli import environment, fruitlake
from tests.lakes import Lake

LAKE, RESULTS = "s3://lake/fruits", "s3://results/here"
IN_S3 = ("--lake", LAKE, "--output-location", RESULTS)


@pytest.fixture(scope="module")
def photo(built: Lake) -> str:
    """The id of a photo that has lookalikes."""
    sql = "select image_id from gold.fruit_vectors where label = 'Banana' order by image_id limit 1"
    return str(DuckDB(built.catalog).run(sql).rows["image_id"][0].as_py())


@pytest.fixture
def athena() -> Iterator[AthenaServer]:
    with athena_server() as server:
        server.holds(LAKE, results=RESULTS)
        yield server


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_help_and_list_teach(tmp_path: Path) -> None:
    shown = fruitlake("query", "--help", cwd=tmp_path)
    for word in ("--sql", "--param", "--image-id", "--format", "--output", "--engine", "--workgroup", "nearest"):
        assert word in shown.stdout
    listed = fruitlake("query", cwd=tmp_path)
    assert listed.returncode == 0
    for word in ("nearest", "The ten photos that look most like a given one", "image_id", "growth", "outliers"):
        assert word in listed.stdout
    assert "sync-queries" in fruitlake("catalog", "--help", cwd=tmp_path).stdout


def test_the_nearest_photos_by_the_digits_a_table_shows(built: Lake, photo: str, tmp_path: Path) -> None:
    whole = fruitlake("query", "nearest", "--image-id", photo, "--lake", str(built.path), cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("…") == 10
    assert "10 rows, DuckDB" in whole.stderr
    short = fruitlake("query", "nearest", "--image-id", f"{photo[:12]}…", "--lake", str(built.path), cwd=tmp_path)
    assert short.stdout == whole.stdout


def test_rows_go_to_stdout_or_to_a_file_whole(built: Lake, tmp_path: Path) -> None:
    lake = ("--lake", str(built.path))
    shown = fruitlake("query", "photos-per-label", "--format", "csv", *lake, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    labels = {row["label"] for row in rows_of(shown.stdout)}
    assert {"Banana", "007", "Pêche d'été", 'q"uote\\slash'} <= labels
    sql = "select label, centroid, photos from gold.label_summary where label = ? or label = ?"
    asked = ("query", "--sql", sql, "--param", "a=007", "--label", "Banana", *lake)
    for name in ("some.csv", "some.parquet"):
        done = fruitlake(*asked, "--output", name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert f"2 rows in {name}" in done.stderr
    read = {row["label"]: row for row in pq.read_table(tmp_path / "some.parquet").to_pylist()}
    assert set(read) == {"007", "Banana"}
    for row in rows_of((tmp_path / "some.csv").read_text()):
        assert row["centroid"] == str(read[row["label"]]["centroid"])
        assert row["photos"] == str(read[row["label"]]["photos"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nosuch",), ["no query 'nosuch'", "nearest", "--sql"]),
        (("nearest",), ["needs image_id", "--image-id"]),
        (("nearest", "--image-id", ""), ["no photo"]),
        (("nearest", "--image-id", "xyz"), ["no photo", "xyz"]),
        (("nearest", "--image-id", "a" * 64), ["gold has no photo", "a" * 64]),
        (("growth", "--label", "Kiwi"), ["no parameter 'label'"]),
        (("growth", "--sql", "select 1"), ["one at a time"]),
        (("growth", "--format", "parquet"), ["--output"]),
        (("growth", "--output", "s3://lake/all.csv"), ["--output takes a file on this machine", "aws s3 cp"]),
        (("growth", "--output", "."), ["'.' cannot be written", "--output"]),
        (("growth", "--output", "file/such.csv"), ["'file/such.csv' cannot be written", "--output"]),
        (("growth", "--engine", "athena"), ["Athena reads lakes in S3"]),
        (("growth", "--engine", "spark"), ["athena", "duckdb"]),
        (("outliers", "--param", "label"), ["NAME=VALUE", "'label'"]),
        (("outliers", "--param", "label=a", "--label", "b"), ["given twice"]),
        (("--sql", "drop table gold.pca"), ["only reads"]),
        (("--sql", "select * from gold.pca where k = ?"), ["1 question marks", "0 values"]),
        (("growth", "--database-prefix", "Fr-uits"), ["--database-prefix", "Fr-uits"]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], built: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = fruitlake("query", *arguments, "--lake", str(built.path), cwd=tmp_path)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    for word in says:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "not foreseen" not in done.stderr


def test_a_file_has_all_rows_in_every_format(built: Lake, tmp_path: Path) -> None:
    asked = ("query", "--sql", "select component from gold.pca_variance order by 1", "--lake", str(built.path))
    shown = fruitlake(*asked, cwd=tmp_path)
    assert "1,180 more rows" in shown.stdout
    assert fruitlake(*asked, "--output", "all.txt", cwd=tmp_path).returncode == 0
    text = (tmp_path / "all.txt").read_text()
    assert [int(line.strip("│ ").replace(",", "")) for line in text.splitlines() if "│" in line] == [*range(1, 1281)]


WHAT_IS_IMPORTED = """
import sys
from bootstrap.cli import main
try:
    main()
finally:
    print([name for name in ("pyspark", "dbt", "great_expectations", "boto3") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [("status",), ("query", "photos_per_label")])
def test_who_only_looks_waits_for_no_spark(arguments: tuple[str, ...], built: Lake, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WHAT_IS_IMPORTED, *arguments, "--lake", str(built.path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=60
    )
    assert "Banana" in done.stdout or "gold.fruit_vectors" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_digits_of_several_photos_are_too_few(built: Lake, tmp_path: Path) -> None:
    ids = DuckDB(built.catalog).run("select image_id from gold.fruit_vectors").rows["image_id"].to_pylist()
    first = next(d for d in "0123456789abcdef" if sum(i.startswith(d) for i in ids) > 1)
    done = fruitlake("query", "nearest", "--image-id", first, "--lake", str(built.path), cwd=tmp_path)
    assert done.returncode == 1
    assert f"several photos' ids start with '{first}'" in done.stderr


def test_there_is_no_lake(tmp_path: Path) -> None:
    done = fruitlake("query", "growth", "--lake", "l", cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no lake at" in done.stderr


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    """/dev/stdout is none of ours to replace by a file."""
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


def test_a_lake_in_s3_is_asked_through_athena(athena: AthenaServer, tmp_path: Path) -> None:
    columns = [("image_id", "varchar"), ("label", "varchar"), ("cosine", "double")]
    athena.holds(LAKE, prefix="plums")
    athena.answers(columns[:1], ["ab" * 32])  # the first digits are looked up first
    athena.answers(columns, ["cd" * 32, "Kiwi", "0.75"])
    asked = ("query", "nearest", "--image-id", "abab", "--format", "csv", *IN_S3, "--database-prefix", "plums")
    done = fruitlake(*asked, cwd=tmp_path, **athena.environment)
    assert done.returncode == 0, done.stderr
    assert rows_of(done.stdout) == [{"image_id": "cd" * 32, "label": "Kiwi", "cosine": "0.75"}]
    assert "bytes scanned, about $0.00005" in done.stderr
    looked_up, nearest = athena.queries
    assert looked_up.execution_parameters == ["'abab'"]
    assert nearest.execution_parameters == [f"'{'ab' * 32}'"]
    assert "from plums_gold.fruit_vectors" in nearest.query


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lake", "s3://lake/another"), ["is of the lake 's3://lake/fruits'", "--database-prefix"]),
        (("--lake", LAKE, "--database-prefix", "plums"), ["no lake at", "in the Glue databases plums_"]),
        (("--lake", "s3://nowhere/fruits"), ["no bucket 'nowhere'"]),
        (("--lake", LAKE, "--output-location", "results/here"), ["--output-location cannot be 'results/here'"]),
        (("--lake", LAKE, "--output-location", "s3://nowhere/here"), ["no bucket 'nowhere'"]),
    ],
)
def test_athena_is_not_asked_about_another_lake_nor_to_write_where_it_cannot(
    arguments: tuple[str, ...], says: list[str], athena: AthenaServer, tmp_path: Path
) -> None:
    done = fruitlake("query", "growth", *arguments, cwd=tmp_path, **athena.environment)
    assert (done.returncode, done.stdout) == (1, "")
    for word in says:
        assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert athena.queries == []


def test_ctrl_c_cancels_the_query_in_athena(athena: AthenaServer, tmp_path: Path) -> None:
    athena.takes(10_000)
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", "query", "growth", *IN_S3]
    variables = environment(tmp_path, **athena.environment)
    running = subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (athena.queries and athena.queries[0]._tick) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the query was cancelled" in said
    assert "Traceback" not in said
    assert [q._status for q in athena.queries] == ["CANCELLED"]


def test_queries_are_stored_in_athena(athena: AthenaServer, tmp_path: Path) -> None:
    done = fruitlake("catalog", "sync-queries", cwd=tmp_path, **athena.environment)
    assert done.returncode == 0, done.stderr
    assert "created   fruits_nearest" in done.stdout
    again = fruitlake("catalog", "sync-queries", cwd=tmp_path, **athena.environment)
    assert again.stdout.count("unchanged") == len(athena.backend.named_queries) == 6
    refused = fruitlake("catalog", "sync-queries", "--workgroup", "nobodys", cwd=tmp_path, **athena.environment)
    assert refused.returncode == 1
    assert "no workgroup 'nobodys'" in refused.stderr
