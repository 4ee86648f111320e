"""The whole pipeline from a bucket to a bucket, registered in Glue: Spark, PyIceberg, boto3 and pyarrow over HTTP."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import quote

import pytest
from pyiceberg.catalog.glue import GlueCatalog
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap import settings as settings_module
from bootstrap.pipeline import build, open_run
from bootstrap.reporting import report_run
from catalog.errors import RunError, SettingsError
from catalog.lake import CATALOG, open_lake
from catalog.lake import Lake as Tables
from catalog.scan import dataset
from catalog.tables import TABLES
from ingestion.samples import SAMPLE_LABELS, write_sample_photos
from tests.aws import REGION, AwsServer, glue_error, s3_error
from tests.commands import Done, check_one_line, environment, fruitlake, fruitlake_here
from tests.lakes import AWKWARD_LABELS
from tests.photos import sample_photo
from transforms.publish import publish
from transforms.run import BuildResult, Run

LAKE = "s3://lake/my fruits"
IMAGES = "s3://photos/Training"
FOLDERS = ("bronze/", "silver/", "gold/")


@dataclass(frozen=True)
class Lake:
    """A lake in a bucket, with its photos in another bucket."""

    server: AwsServer
    cache: Path

    def run(self, layer: str = "all", **options: object) -> Run:
        given = {"images": IMAGES, "lake": LAKE, "cache": self.cache, "weights": "bundled", "variance": 0.9}
        return build(settings_module.load(**(given | options)), layer, Console(quiet=True))

    @contextmanager
    def open(self, lake: str, prefix: str) -> Iterator[Run]:
        settings = settings_module.load(lake=lake, cache=self.cache, weights="bundled", database_prefix=prefix)
        with open_run(settings, Console(quiet=True)) as run:
            yield run

    @property
    def tables(self) -> Tables:
        return open_lake(LAKE)

    @property
    def glue(self) -> GlueCatalog:
        """The lake's catalog, opened with plain PyIceberg."""
        patient = {"s3.request-timeout": "60"}  # Arrow's default is 3 s, too short on a busy machine
        endpoints = {"glue.endpoint": self.server.url, "s3.endpoint": self.server.url}
        return GlueCatalog("theirs", None, **{"client.region": REGION, **endpoints, **patient})

    def objects(self) -> dict[str, str]:
        """The tables' objects, as content by key."""
        pages = self.server.s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="my fruits/")
        found = {o["Key"].removeprefix("my fruits/"): o["ETag"] for page in pages for o in page.get("Contents", [])}
        return {key: tag for key, tag in found.items() if key.startswith(FOLDERS)}

    def labels(self) -> list[str]:
        return sorted(set(dataset(self.tables, "gold.fruit_vectors").to_table(["label"])["label"].to_pylist()))

    def moves_main(self, request: dict[str, Any], table: str) -> bool:
        """Whether a request to Glue would change the table that readers see."""
        if request["TableInput"]["Name"] != table:
            return False
        told = request["TableInput"]["Parameters"]
        old, new = (self._current(told[name]) for name in ("previous_metadata_location", "metadata_location"))
        return old != new

    def _current(self, metadata: str) -> int:
        key = metadata.removeprefix("s3://lake/")
        read: dict[str, int] = json.load(self.server.s3.get_object(Bucket="lake", Key=key)["Body"])
        return read["current-snapshot-id"]


@pytest.fixture(scope="module")
def lake(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """A lake with every layer, built from photos in a bucket."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=3, labels=("Apple Braeburn", "Banana"))
    for index, label in enumerate(AWKWARD_LABELS):
        (photos / label).mkdir()
        sample_photo("Plum", index, 64).save(photos / label / "plum #1.png")
    aws_server.forget_tables()
    for bucket in ("photos", "lake"):
        aws_server.make_bucket(bucket)
    for file in photos.rglob("*.*"):
        if file.is_file():
            aws_server.s3.upload_file(str(file), "photos", f"Training/{file.relative_to(photos)}")
    aws_server.s3.put_object(Bucket="photos", Key="Training/")  # as S3's console creates a folder
    with aws_server.environment():
        made = Lake(aws_server, cache)
        report_run(made.run(), Console(quiet=True))
        yield made


LABELS = sorted(["Apple Braeburn", "Banana", *AWKWARD_LABELS])


def test_every_layer_is_published_and_read_by_plain_pyiceberg(lake: Lake) -> None:
    assert lake.tables.tables() == list(TABLES)
    assert lake.labels() == LABELS
    for name in TABLES:
        layer, table = name.split(".")
        found = lake.glue.load_table(f"fruits_{layer}.{table}")
        snapshot = lake.tables.current(name)
        assert snapshot is not None and snapshot.id == found.metadata.current_snapshot_id
        assert snapshot.rows == len(found.scan().to_arrow())
        assert list(found.refs()) == ["main"], "no branch may remain"
        told = snapshot.properties
        assert told["producer"].startswith("fruitlake ")
        assert told["audit_result"] in ("passed", "warned")
        assert ("model_id" in told) == (layer != "bronze")
        assert ("pca_id" in told) == (layer == "gold")


def test_glue_describes_the_tables(lake: Lake) -> None:
    for name, table in TABLES.items():
        layer, short = name.split(".")
        found = lake.server.glue.get_table(DatabaseName=f"fruits_{layer}", Name=short)["Table"]
        assert found["Parameters"]["table_type"] == "ICEBERG"
        assert found["StorageDescriptor"]["Location"] == f"{LAKE}/{layer}/{short}"
        comments = {c["Name"]: c["Comment"] for c in found["StorageDescriptor"]["Columns"]}
        assert comments == {c.name: c.comment for c in table.columns}


def test_the_same_photos_again_change_nothing(lake: Lake) -> None:
    before = lake.objects()
    lake.server.calls.clear()
    run = lake.run()
    assert not any(outcome.new for outcome in run.outcomes.values())
    counts = run.ingested()
    assert counts is not None
    assert (counts.found, counts.stored, counts.quarantined) == (6 + len(AWKWARD_LABELS), 0, 0)
    assert lake.objects() == before
    asked = Counter(operation for operation, _ in lake.server.calls)
    assert set(asked) <= {"GetDatabase", "GetDatabases", "GetTable", "GetTables"}


def test_the_report_opens_from_the_bucket(lake: Lake) -> None:
    for page in ("reports/index.html", "reports/data_docs/index.html"):
        with urllib.request.urlopen(f"{lake.server.url}/lake/{quote('my fruits')}/{page}", timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/html"
            assert b"</html>" in answer.read()


@pytest.mark.exhaustive
def test_a_reader_through_glue_never_sees_a_mix_while_a_refit_is_published(lake: Lake) -> None:
    rows = len(LABELS) - 2 + 6
    before = lake.tables.current("gold.fruit_vectors")
    ended = threading.Event()
    copied: list[Any] = []

    def poll() -> set[tuple[int, frozenset[str]]]:
        glue, seen = lake.glue, set()
        while not ended.is_set():
            vectors = glue.load_table("fruits_gold.fruit_vectors").scan(selected_fields=("pca_id",)).to_arrow()
            seen.add((len(vectors), frozenset(vectors["pca_id"].to_pylist())))
        return seen

    with ThreadPoolExecutor(1) as beside:
        reader = beside.submit(poll)
        try:
            with lake.server.answering("PUT /lake/", lambda r: copied.append(r) if r["copied_from"] else None):
                run = lake.run("gold", refit=True)
        finally:
            ended.set()
    assert before is not None
    assert reader.result() == {(rows, frozenset([pca_id])) for pca_id in (before.properties["pca_id"], run.id)}
    assert copied == [], "S3 cannot rename, and publishing must not copy"


@pytest.mark.exhaustive
def test_a_run_that_aws_stops_leaves_what_was_current(lake: Lake) -> None:
    before, objects = lake.tables.current("gold.fruit_vectors"), lake.objects()
    assert before is not None

    def refuse(request: dict[str, Any]) -> Any:
        denied = "User: ada is not authorized to perform: glue:UpdateTable on resource: fruit_vectors"
        return glue_error("AccessDeniedException", denied) if lake.moves_main(request, "fruit_vectors") else None

    with lake.server.answering("UpdateTable", refuse) as refused, pytest.raises(RunError) as failure:
        lake.run("gold", refit=True)
    assert len(refused) == 1
    said = str(failure.value)
    assert said.startswith("gold.fruit_vectors failed: no permission for UpdateTable (User: ada is not authorized")
    assert said.endswith("use other credentials, or have it granted") and "\n" not in said
    assert lake.tables.current("gold.fruit_vectors") == before
    loaded = lake.tables.load("gold.fruit_vectors")
    assert loaded is not None and list(loaded.refs()) == ["main"]
    assert {k for k in objects if "fruit_vectors" in k} <= {k for k in lake.objects() if "fruit_vectors" in k}
    lake.run("gold")
    after = lake.tables.current("gold.fruit_vectors")
    assert after is not None and after.properties["pca_id"] != before.properties["pca_id"]
    assert lake.labels() == LABELS


def test_an_object_that_may_not_be_written_is_told_in_a_line(lake: Lake) -> None:
    with (
        lake.server.answering("PUT /lake/my fruits/gold/fruit_vectors/data/", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(RunError) as failure,
    ):
        lake.run("gold", refit=True)
    said = str(failure.value)
    assert said.startswith("gold.fruit_vectors failed: no permission for PutObject (told to")
    assert "have it granted" in said and "\n" not in said
    lake.run("gold")


def kill_at_the_pointer(lake: Lake, folder: Path, *arguments: str) -> None:
    """Run `fruitlake run`, and kill it with its JVM when it asks Glue to publish fruit_vectors."""
    program = [sys.executable, "-c", "from bootstrap.cli import main; main()", "run", *arguments]
    variables = environment(folder, **lake.server.variables, FRUITLAKE_CACHE=str(lake.cache))
    run = subprocess.Popen(program, env=variables, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)

    def kill(request: dict[str, Any]) -> Any:
        if not lake.moves_main(request, "fruit_vectors"):
            return None
        os.killpg(run.pid, signal.SIGKILL)
        return glue_error("InternalServiceException", "nobody hears this", 500)

    with lake.server.answering("UpdateTable", kill) as asked:
        said = run.communicate(timeout=240)
    assert (run.returncode, len(asked)) == (-signal.SIGKILL, 1), said


@pytest.mark.exhaustive
def test_a_run_killed_before_the_pointer_moves_leaves_readers_on_the_old_snapshot(
    lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = lake.tables.current("gold.fruit_vectors")
    assert before is not None
    rows = "select image_id, label, pca_id from gold.fruit_vectors order by image_id"
    query = ("query", "--sql", rows, "--format", "csv", "--engine", "duckdb", "--lake", LAKE)

    def seen(*arguments: str) -> str:
        capfd.readouterr()
        assert fruitlake_here(*arguments, cwd=tmp_path, COLUMNS="200") == 0
        return capfd.readouterr().out

    read = seen(*query)
    assert len(read.splitlines()) == 1 + before.rows

    kill_at_the_pointer(lake, tmp_path, "gold", "--refit", "--lake", LAKE, "--weights", "bundled")
    assert lake.labels() == LABELS
    assert lake.tables.current("gold.fruit_vectors") == before
    assert seen(*query) == read
    (line,) = [line for line in seen("status", "--lake", LAKE).splitlines() if "gold.fruit_vectors" in line]
    assert str(before.id)[:12] in line  # a narrow terminal wraps the rest

    lake.run("gold")
    after = lake.tables.current("gold.fruit_vectors")
    assert after is not None and after.id != before.id
    assert lake.labels() == LABELS
    assert len(seen(*query).splitlines()) == 1 + after.rows == 1 + before.rows


def many_labels() -> list[str]:
    """131 labels, as in Fruits-360; some are awkward."""
    awkward = [label for label in AWKWARD_LABELS if len(label) < 100]
    awkward += ["L" * 249, "a+b & c", "<x>", "${env:HOME}", " spaces ", "...", "apple braeburn", "1.50"]
    awkward += ["l'été", "100%", "50%25", "a=b", "c#d", "e/f", "g:h", "{i}", "[j]", "?k"]
    named = [f"{label} {number}" for number in range(1, 20) for label in SAMPLE_LABELS]
    return [*awkward, *named][:131]


@pytest.mark.exhaustive
def test_131_labels_are_read_back_equal_by_spark_pyiceberg_and_duckdb(
    lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = many_labels()
    assert len(set(labels)) == 131
    ids = {label: hashlib.sha256(label.encode()).hexdigest() for label in labels}
    with lake.open("s3://lake/many", "many") as run:
        rows = [(ids[label], [float(i), 1.0], "p", label) for i, label in enumerate(labels)]
        frame = run.spark.createDataFrame(rows, TABLES["gold.fruit_vectors"].ddl)
        publish(run, "gold.fruit_vectors", BuildResult(frame, replace=True))
        table = run.spark.table(f"{CATALOG}.many_gold.fruit_vectors")
        seen = {r["label"]: (r["image_id"], r["vector"]) for r in table.collect()}
        for label in labels:
            assert [r["image_id"] for r in table.where(table.label == label).collect()] == [ids[label]]
    assert seen == {label: (id_, vector) for id_, vector, _, label in rows}
    found = lake.glue.load_table("many_gold.fruit_vectors")
    assert {r["label"]: (r["image_id"], r["vector"]) for r in found.scan().to_arrow().to_pylist()} == seen
    by_label = {t.file.partition[0]: t.file.record_count for t in found.scan().plan_files()}
    assert by_label == dict.fromkeys(labels, 1)
    sql = "select label, image_id from gold.fruit_vectors"
    asked = ("query", "--sql", sql, "--format", "csv", "--engine", "duckdb", "--lake", "s3://lake/many")
    capfd.readouterr()
    assert fruitlake_here(*asked, "--database-prefix", "many", cwd=tmp_path) == 0
    assert {r["label"]: r["image_id"] for r in csv.DictReader(io.StringIO(capfd.readouterr().out))} == ids


def test_the_lake_and_the_photos_may_not_lie_in_one_another(lake: Lake) -> None:
    with pytest.raises(SettingsError, match="overlap"):
        lake.run(lake=f"{IMAGES}/lake")


def command(server: AwsServer, *arguments: str, cwd: Path, **variables: str) -> Done:
    return fruitlake(*arguments, cwd=cwd, **(server.variables | variables))


@pytest.fixture
def photo(aws_server: AwsServer) -> str:
    """A bucket with a photo, and a Glue catalog without the lake's tables."""
    aws_server.forget_tables()
    aws_server.make_bucket("some-photos")
    aws_server.s3.put_object(Bucket="some-photos", Key="Kiwi/1.jpg", Body=b"")
    return "s3://some-photos"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--images", "s3://nowhere/x", "--lake", "s3://some-photos/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
        (("run", "--images", "s3://some-photos", "--lake", "s3://nowhere/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
        (("run", "--images", "s3://some-photos/none", "--lake", "s3://some-photos/l"), ["there is no", "--images"]),
        (("run", "--images", "s3://some-photos", "--lake", "s3://some-photos/l"), ["overlap"]),
        (("run", "--images", "s3://some-photos", "--lake", "l", "--database-prefix", "Fruits!"), ["--database-prefix"]),
        (("status", "--lake", "s3://some-photos/l", "--database-prefix", "no"), ["there is no lake", "fruitlake run"]),
        (("status", "--lake", "s3://nowhere/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
        (("run", "--images", "s3://some-photos", "--lake", "s3://lake/a#b"), ["'#'", "--lake a prefix without it"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], aws_server: AwsServer, photo: str, tmp_path: Path
) -> None:
    assert_one_line(command(aws_server, *arguments, cwd=tmp_path), *says)


def assert_one_line(done: Done, *says: str) -> None:
    assert done.code == 1
    check_one_line(done.err, *says)


def test_no_credentials_is_one_clear_line(aws_server: AwsServer, photo: str, tmp_path: Path) -> None:
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for arguments in (("run", "--images", photo, "--lake", "s3://some-photos/l"), ("status", "--lake", photo)):
        done = command(aws_server, *arguments, cwd=tmp_path, **without)
        assert_one_line(done, "no AWS credentials", "aws configure", "AWS_PROFILE")


def test_a_lake_that_may_not_be_written_is_one_clear_line(aws_server: AwsServer, photo: str, tmp_path: Path) -> None:
    aws_server.make_bucket("read-only")
    with aws_server.answering("PUT /read-only", lambda _: s3_error("AccessDenied", 403)):
        done = command(aws_server, "run", "--images", photo, "--lake", "s3://read-only/l", cwd=tmp_path)
    assert_one_line(done, "'s3://read-only/l' cannot be written: no permission for PutObject")


def test_the_commands_of_the_readme_run_in_order(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.bootstrap.test_readme import blocks

    (block,) = [b for b in blocks("console") if "aws configure" in b]
    shown = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [words[:3] for words in shown[:2]] == [["aws", "configure"], ["aws", "s3", "mb"]]
    assert len(shown) == 4
    help_page = " ".join(fruitlake("run", "--help", cwd=tmp_path).out.split())
    places = [help_page.index(" ".join(words[:4])) for words in shown]
    assert places == sorted(places)

    aws_server.forget_tables()
    aws_server.make_bucket("my-photos")
    aws_server.make_bucket(shown[1][3].removeprefix("s3://"))
    write_sample_photos(tmp_path / "photos", per_label=2, labels=("Lemon", "Kiwi Half"))
    for file in (tmp_path / "photos").rglob("*.*"):
        aws_server.s3.upload_file(str(file), "my-photos", f"Training/{file.parent.name}/{file.name}")
    choices = {"FRUITLAKE_WEIGHTS": "bundled", "FRUITLAKE_CACHE": str(cache), "COLUMNS": "200"}
    with aws_server.environment():
        for words in shown[2:]:
            assert fruitlake_here(*words[1:], cwd=tmp_path, **choices) == 0, capfd.readouterr().err
        capfd.readouterr()
        assert fruitlake_here("status", "--lake", "s3://my-lake/fruits", cwd=tmp_path, **choices) == 0
    assert "gold.fruit_vectors" in capfd.readouterr().out
