"""`fruitlake query`, `export` and `catalog sync-queries` where there is an Athena."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.lake import open_lake
from catalog.query.named import named_queries
from tests.athena import AthenaServer, athena_server
from tests.commands import Here, check_one_line, environment
from tests.lakes_by_hand import small_lake

LAKE, RESULTS = "s3://lake/fruits", "s3://results/here"
IN_S3 = ("--lake", LAKE, "--output-location", RESULTS)


@pytest.fixture(scope="module")
def server() -> Iterator[AthenaServer]:
    with athena_server() as running:
        yield running


@pytest.fixture
def athena(server: AthenaServer) -> AthenaServer:
    """A server with a lake in a bucket, and no queries yet."""
    server.reset()
    server.holds(LAKE, results=RESULTS)
    return server


def test_a_lake_in_s3_is_asked_through_athena(athena: AthenaServer, here: Here) -> None:
    columns = [("image_id", "varchar"), ("label", "varchar"), ("cosine", "double")]
    athena.holds(LAKE, prefix="plums")
    athena.answers(columns[:1], ["ab" * 32])  # the id's first digits are resolved first
    athena.answers(columns, ["cd" * 32, "Kiwi", "0.75"])
    asked = ("query", "nearest", "--image-id", "abab", "--format", "csv", *IN_S3, "--database-prefix", "plums")
    done = here(*asked, **athena.environment)
    assert done.code == 0, done.err
    assert done.out == f"image_id,label,cosine\n{'cd' * 32},Kiwi,0.75\n"
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
    done = here("query", "growth", *arguments, **athena.environment)
    assert (done.code, done.out) == (1, "")
    check_one_line(done.err, *says)
    assert athena.queries == []


def test_a_lake_in_s3_is_asked_without_athena(athena: AthenaServer, here: Here) -> None:
    sql = "select label, vector from gold.fruit_vectors"
    asked = ("query", "--sql", sql, "--format", "csv", "--engine", "duckdb", "--lake", LAKE)
    done = here(*asked, **athena.environment)
    assert done.out == 'label,vector\nFig,"[1.0, 2.0]"\n', done.err
    assert athena.queries == []


def test_an_export_stays_in_the_allowed_regions(athena: AthenaServer, here: Here, tmp_path: Path) -> None:
    lake = small_lake(open_lake(str(tmp_path / "lake")))
    asked = ("export", "gold.label_summary", "--to", "s3://results/x", "--lake", lake.uri)
    refused = here(*asked, FRUITLAKE_ALLOWED_REGIONS="eu-north-1", **athena.environment)
    assert refused.code == 1
    assert "is in eu-west-3, allowed: eu-north-1" in refused.err
    assert here(*asked, **athena.environment).code == 0


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
