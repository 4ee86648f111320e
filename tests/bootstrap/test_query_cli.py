"""`fruitlake query` and `fruitlake catalog` as users see them, on a local lake and on one in S3."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from catalog.errors import QueryError
from catalog.lake import Lake, open_lake
from catalog.query.answer import Answer
from catalog.query.duck import DuckDB
from catalog.query.named import named_queries
from catalog.query.output import Format, deliver, format_of
from tests.athena import AthenaServer, athena_server
from tests.commands import Done, environment, fruitlake
from tests.lakes_by_hand import LABELS, append, small_lake

LAKE, RESULTS = "s3://lake/fruits", "s3://results/here"
IN_S3 = ("--lake", LAKE, "--output-location", RESULTS)


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


@pytest.fixture
def athena() -> Iterator[AthenaServer]:
    with athena_server() as server:
        server.holds(LAKE, results=RESULTS)
        yield server


Here = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Run a command in this process, in the test's folder."""
    return partial(fruitlake, cwd=tmp_path)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_help_and_list_teach(tmp_path: Path) -> None:
    shown = fruitlake("query", "--help", cwd=tmp_path)
    for word in (
        "--sql",
        "--param",
        "--image-id",
        "--format",
        "--output",
        "--engine",
        "--as-of",
        "--workgroup",
        "nearest",
    ):
        assert word in shown.out
    listed = fruitlake("query", cwd=tmp_path)
    assert listed.code == 0
    for word in ("nearest", "The ten photos most similar to a given one", "image_id", "growth", "outliers"):
        assert word in listed.out
    assert "sync-queries" in fruitlake("catalog", "--help", cwd=tmp_path).out


def test_the_nearest_photos_by_the_digits_a_table_shows(built: Lake, photo: str, tmp_path: Path) -> None:
    whole = fruitlake("query", "nearest", "--image-id", photo, "--lake", built.uri, cwd=tmp_path)
    assert whole.code == 0, whole.err
    assert whole.out.count("…") == 10
    assert "10 rows, DuckDB" in whole.err
    short = fruitlake("query", "nearest", "--image-id", f"{photo[:12]}…", "--lake", built.uri, cwd=tmp_path)
    assert short.out == whole.out


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
        (("nosuch",), ["no query 'nosuch'", "nearest", "--sql"]),
        (("nearest",), ["needs image_id", "--image-id"]),
        (("nearest", "--image-id", ""), ["no photo"]),
        (("nearest", "--image-id", "xyz"), ["no photo", "xyz"]),
        (("nearest", "--image-id", "a" * 64), ["gold has no photo", "a" * 64]),
        (("growth", "--label", "Kiwi"), ["no parameter 'label'"]),
        (("growth", "--sql", "select 1"), ["two queries"]),
        (("growth", "--format", "parquet"), ["--output"]),
        (("growth", "--output", "s3://lake/all.csv"), ["--output takes a file on this machine", "aws s3 cp"]),
        (("growth", "--output", "."), ["'.' cannot be written", "--output"]),
        (("growth", "--output", "file/such.csv"), ["'file/such.csv' cannot be written", "--output"]),
        (("growth", "--engine", "athena"), ["Athena reads lakes in S3"]),
        (("growth", "--as-of", "yesterday"), ["--as-of cannot be 'yesterday'", "gold.fruit_vectors "]),
        (("photos_per_label", "--as-of", "2001-01-01"), ["gold.label_summary has no version as of 2001-01-01"]),
        (("growth", "--engine", "spark"), ["athena", "duckdb"]),
        (("outliers", "--param", "label"), ["NAME=VALUE", "'label'"]),
        (("outliers", "--param", "label=a", "--label", "b"), ["given twice"]),
        (("--sql", "drop table gold.pca"), ["only reads"]),
        (("--sql", "select * from gold.pca where k = ?"), ["1 question marks", "0 values"]),
        (("growth", "--database-prefix", "Fr-uits"), ["--database-prefix", "Fr-uits"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], built: Lake, here: Here, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    code, shown, said = here("query", *arguments, "--lake", built.uri)
    assert code not in (0, None)
    assert shown == ""
    for word in says:
        assert word in said
    assert "Traceback" not in said
    assert "unexpected error" not in said


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
try:
    main()
finally:
    print([name for name in ("pyspark", "dbt", "great_expectations", "boto3") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [("status",), ("query", "photos_per_label")])
def test_who_only_looks_waits_for_no_spark(arguments: tuple[str, ...], built: Lake, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WHAT_IS_IMPORTED, *arguments, "--lake", built.uri]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=60
    )
    assert "Braeburn" in done.stdout or "gold.fruit_vectors" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_past_is_asked_for_by_snapshot_run_or_time(built: Lake, here: Here) -> None:
    snapshots = sorted(built.history("gold.fruit_vectors"), key=lambda s: s.created_at)
    asked = ("query", "--sql", "select count(*) as n from fruits_gold.fruit_vectors", "--format", "csv")
    for as_of in (str(snapshots[2].id), f"{snapshots[2].created_at.isoformat()}"):
        assert here(*asked, "--as-of", as_of, "--lake", built.uri)[:2] == (0, "n\n6\n")
    after = here(*asked, "--as-of", snapshots[0].run, "--lake", built.uri)
    assert after[:2] == (0, f"n\n{2 * len(LABELS)}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gold.weights", "--to", "out"), ["no table gold.weights: it has bronze.images, gold.fruit_vectors"]),
        (("gold.label_summary", "--to", "."), ["is not empty"]),
        (("gold.label_summary", "--to", "gs://out"), ["gs://", "give a folder"]),
        (("gold.label_summary",), ["--to"]),
        (("gold.label_summary", "--to", "out", "--format", "json"), ["parquet", "csv"]),
    ],
)
def test_an_export_that_cannot_be_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], built: Lake, here: Here, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    code, shown, said = here("export", *arguments, "--lake", built.uri)
    assert code in (1, 2)
    assert shown == ""
    for word in says:
        assert word in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_table_is_exported(built: Lake, here: Here, tmp_path: Path) -> None:
    done = here("export", "gold.fruit_vectors", "--to", "out", "--lake", built.uri)
    assert done.code == 0, done.err
    assert f"gold.fruit_vectors: {2 * len(LABELS)} rows, {len(LABELS)} files in {tmp_path}/out" in done.out
    assert (tmp_path / "out" / "label=Apple Braeburn" / "fruit_vectors.parquet").is_file()
    assert (tmp_path / "out" / "_SUCCESS").is_file()


def test_an_export_stays_in_the_allowed_regions(built: Lake, athena: AthenaServer, here: Here) -> None:
    asked = ("export", "gold.label_summary", "--to", "s3://results/x", "--lake", built.uri)
    refused = here(*asked, FRUITLAKE_ALLOWED_REGIONS="eu-north-1", **athena.environment)
    assert refused.code == 1
    assert "is in eu-west-3, allowed: eu-north-1" in refused.err
    assert here(*asked, **athena.environment).code == 0


def test_digits_of_several_photos_are_too_few(built: Lake, tmp_path: Path) -> None:
    ids = DuckDB(built).run("select image_id from gold.fruit_vectors").rows["image_id"].to_pylist()
    first = next(d for d in "0123456789abcdef" if sum(i.startswith(d) for i in ids) > 1)
    done = fruitlake("query", "nearest", "--image-id", first, "--lake", built.uri, cwd=tmp_path)
    assert done.code == 1
    assert f"several photos' ids start with '{first}'" in done.err


def test_there_is_no_lake(tmp_path: Path) -> None:
    done = fruitlake("query", "growth", "--lake", "l", cwd=tmp_path)
    assert done.code == 1
    assert "there is no lake at" in done.err


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


def test_a_lake_in_s3_is_asked_through_athena(athena: AthenaServer, here: Here) -> None:
    columns = [("image_id", "varchar"), ("label", "varchar"), ("cosine", "double")]
    athena.holds(LAKE, prefix="plums")
    athena.answers(columns[:1], ["ab" * 32])  # the id's first digits are resolved first
    athena.answers(columns, ["cd" * 32, "Kiwi", "0.75"])
    asked = ("query", "nearest", "--image-id", "abab", "--format", "csv", *IN_S3, "--database-prefix", "plums")
    done = here(*asked, **athena.environment)
    assert done.code == 0, done.err
    assert rows_of(done.out) == [{"image_id": "cd" * 32, "label": "Kiwi", "cosine": "0.75"}]
    assert "bytes scanned, about $0.00005" in done.err
    looked_up, nearest = athena.queries
    assert looked_up.execution_parameters == ["'abab'"]
    assert nearest.execution_parameters == [f"'{'ab' * 32}'"]
    assert "from plums_gold.fruit_vectors" in nearest.query


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lake", "s3://lake/another"), ["is in 's3://lake/fruits/gold/", "another lake", "--database-prefix"]),
        (("--lake", LAKE, "--database-prefix", "plums"), ["no lake at", "(namespaces plums_"]),
        (("--lake", "s3://nowhere/fruits"), ["no bucket 'nowhere'"]),
        (("--lake", LAKE, "--output-location", "results/here"), ["--output-location cannot be 'results/here'"]),
        (("--lake", LAKE, "--output-location", "s3://nowhere/here"), ["no bucket 'nowhere'"]),
    ],
)
def test_athena_is_not_asked_about_another_lake_nor_to_write_where_it_cannot(
    arguments: tuple[str, ...], says: list[str], athena: AthenaServer, here: Here
) -> None:
    code, shown, said = here("query", "growth", *arguments, **athena.environment)
    assert (code, shown) == (1, "")
    for word in says:
        assert word in said
    assert len(said.strip().splitlines()) == 1
    assert athena.queries == []


def test_a_lake_in_s3_is_asked_without_athena(athena: AthenaServer, here: Here) -> None:
    sql = "select label, vector from gold.fruit_vectors"
    asked = ("query", "--sql", sql, "--format", "csv", "--engine", "duckdb", "--lake", LAKE)
    done = here(*asked, **athena.environment)
    assert rows_of(done.out) == [{"label": "Fig", "vector": "[1.0, 2.0]"}], done.err
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
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "the query was cancelled" in said
    assert "Traceback" not in said
    assert [q._status for q in athena.queries] == ["CANCELLED"]


def test_queries_are_stored_in_athena(athena: AthenaServer, here: Here) -> None:
    done = here("catalog", "sync-queries", **athena.environment)
    assert done.code == 0, done.err
    assert "created   fruits_nearest" in done.out
    again = here("catalog", "sync-queries", **athena.environment)
    assert again.out.count("unchanged") == len(athena.backend.named_queries) == len(named_queries())
    refused = here("catalog", "sync-queries", "--workgroup", "nobodys", **athena.environment)
    assert refused.code == 1
    assert "no workgroup 'nobodys'" in refused.err
