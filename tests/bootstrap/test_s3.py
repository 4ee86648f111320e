"""The whole pipeline from a bucket to a bucket, registered in Glue: S3A, boto3 and pyarrow over HTTP."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap import settings as settings_module
from bootstrap.pipeline import build, open_run
from bootstrap.reporting import report_run
from catalog.errors import AwsError, SettingsError
from catalog.glue import GlueCatalog
from catalog.storage import filesystem
from catalog.tables import TABLES
from ingestion.samples import SAMPLE_LABELS, draw_photo, write_sample_photos
from tests.aws import AwsServer, glue_error, s3_error
from tests.bootstrap.test_cli import environment, fruitlake, fruitlake_here
from tests.bootstrap.test_readme import blocks
from tests.lakes import AWKWARD_LABELS
from transforms.publish import publish
from transforms.run import Run

LAKE = "s3://lake/my fruits"
IMAGES = "s3://photos/Training"
FOLDERS = ("bronze/", "silver/", "gold/", "_catalog/")


@dataclass(frozen=True)
class Lake:
    """A lake in a bucket of a server, its photos in another bucket."""

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
    def catalog(self) -> GlueCatalog:
        return GlueCatalog(LAKE)

    def objects(self) -> dict[str, str]:
        """Keys of the tables and of the catalog, and what is in them."""
        pages = self.server.s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="my fruits/")
        found = {o["Key"].removeprefix("my fruits/"): o["ETag"] for page in pages for o in page.get("Contents", [])}
        return {key: tag for key, tag in found.items() if key.startswith(FOLDERS) and not key.endswith("/")}

    def labels(self) -> list[str]:
        """As Glue lists them."""
        return [label for label, _ in self.partitions()]

    def partitions(self) -> list[tuple[str, str]]:
        """Labels and locations of gold.fruit_vectors as Glue lists them, and as Athena reads them."""
        pages = self.server.glue.get_paginator("get_partitions").paginate(
            DatabaseName="fruits_gold", TableName="fruit_vectors"
        )
        found = (p for page in pages for p in page["Partitions"])
        return sorted((p["Values"][0], p["StorageDescriptor"]["Location"]) for p in found)


@pytest.fixture(scope="module")
def lake(
    aws_server: AwsServer, s3_spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """Every layer, made from photos in a bucket."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=3, size=64, labels=("Apple Braeburn", "Banana"), workers=1)
    for index, label in enumerate(AWKWARD_LABELS):
        (photos / label).mkdir()
        draw_photo("Plum", index, 64).save(photos / label / "plum #1.png")
    aws_server.forget_tables()
    for bucket in ("photos", "lake"):
        aws_server.make_bucket(bucket)
    for file in photos.rglob("*.*"):
        if file.is_file():
            aws_server.s3.upload_file(str(file), "photos", f"Training/{file.relative_to(photos)}")
    aws_server.s3.put_object(Bucket="photos", Key="Training/")  # as S3's console makes a folder
    with aws_server.environment():
        made = Lake(aws_server, cache)
        report_run(made.run(), Console(quiet=True))
        yield made


LABELS = sorted(["Apple Braeburn", "Banana", *AWKWARD_LABELS])


def test_every_layer_is_published_and_glue_lists_every_label_once(lake: Lake) -> None:
    assert lake.catalog.tables() == sorted(TABLES)
    assert lake.labels() == LABELS
    for name in TABLES:
        layer, table = name.split(".")
        found = lake.server.glue.get_table(DatabaseName=f"fruits_{layer}", Name=table)["Table"]
        told = found["Parameters"]
        snapshot = lake.catalog.current(name)
        assert snapshot is not None
        assert (told["snapshot_id"], told["rows"]) == (snapshot.id, str(snapshot.rows))
        assert told["producer"].startswith("fruitlake ")
        assert told["audit_result"] in ("passed", "warned")
        assert ("model_id" in told) == (layer != "bronze")
        assert ("pca_id" in told) == (layer == "gold")


def test_nothing_was_written_by_renaming(lake: Lake) -> None:
    keys = lake.objects()
    assert not [key for key in keys if "_temporary" in key or "__magic" in key]
    copied: list[dict[str, Any]] = []
    with (
        lake.server.answering("PUT /lake/", lambda request: copied.append(request) if request["copied_from"] else None),
        lake.open("s3://lake/renames", "renames") as run,
    ):
        publish(run, "gold.label_similarity", lookalikes(run))
    assert copied == []


def lookalikes(run: Run) -> Any:
    return run.spark.createDataFrame([("a", "b", 0.5, 1)], "label string, other_label string, cosine double, rank int")


def test_the_same_photos_again_change_nothing(lake: Lake) -> None:
    before = lake.objects()
    lake.server.calls.clear()
    run = lake.run()
    assert not any(outcome.new for outcome in run.outcomes.values())
    counts = run.ingested()
    assert counts is not None
    assert (counts.inputs, counts.stored, counts.quarantined) == (6 + len(AWKWARD_LABELS), 0, 0)
    assert lake.objects() == before
    asked = {operation for operation, _ in lake.server.calls}
    assert asked <= {"GetDatabase", "GetTable", "GetTables", "GetPartitions"}


def test_the_report_opens_from_the_bucket(lake: Lake) -> None:
    for page in ("reports/index.html", "reports/data_docs/index.html"):
        with urllib.request.urlopen(f"{lake.server.url}/lake/{quote('my fruits')}/{page}", timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/html"
            assert b"</html>" in answer.read()


def test_a_run_that_aws_stops_leaves_what_was_current(lake: Lake) -> None:
    before, objects = lake.catalog.current("gold.fruit_vectors"), lake.objects()
    assert before is not None

    def refuse(request: dict[str, Any]) -> Any:
        named = request["TableInput"]["Name"] == "fruit_vectors"
        return glue_error("AccessDeniedException", "User: ada is not authorized") if named else None

    with lake.server.answering("UpdateTable", refuse), pytest.raises(AwsError) as refused:
        lake.run("gold", refit=True)
    assert "gold.fruit_vectors was not published" in str(refused.value)
    assert "no permission for UpdateTable" in str(refused.value)
    assert lake.catalog.current("gold.fruit_vectors") == before
    assert {k for k in objects if "fruit_vectors" in k} == {k for k in lake.objects() if "fruit_vectors" in k}
    assert lake.labels() == LABELS
    lake.run("gold")
    after = lake.catalog.current("gold.fruit_vectors")
    assert after is not None and after.parent == before.id


def kill_at_the_pointer(lake: Lake, folder: Path, *arguments: str) -> None:
    """`fruitlake run`, that dies with its JVM at the instant it asks Glue to move the pointer of fruit_vectors."""
    program = [sys.executable, "-c", "from bootstrap.cli import main; main()", "run", *arguments]
    variables = environment(folder, **lake.server.variables, FRUITLAKE_CACHE=str(lake.cache))
    run = subprocess.Popen(program, env=variables, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)

    def kill(request: dict[str, Any]) -> Any:
        if request["TableInput"]["Name"] != "fruit_vectors":
            return None
        os.killpg(run.pid, signal.SIGKILL)
        return glue_error("InternalServiceException", "nobody hears this", 500)

    with lake.server.answering("UpdateTable", kill) as asked:
        said = run.communicate(timeout=240)
    assert (run.returncode, len(asked)) == (-signal.SIGKILL, 1), said


def test_a_run_killed_before_the_pointer_moves_leaves_readers_on_the_old_snapshot(
    lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = lake.catalog.current("gold.fruit_vectors")
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
    assert not any(before.id in location for _, location in lake.partitions()), "Athena reads the killed run's"
    assert lake.catalog.current("gold.fruit_vectors") == before
    assert seen(*query) == read
    (line,) = [line for line in seen("status", "--lake", LAKE).splitlines() if "gold.fruit_vectors" in line]
    assert before.id[:15] in line  # its second; a narrow terminal folds what follows

    lake.run("gold")
    after = lake.catalog.current("gold.fruit_vectors")
    assert after is not None and after.parent == before.id
    assert lake.partitions() == sorted((label, f"{LAKE}/{folder}/") for label, folder in after.partitions.items())
    assert lake.labels() == LABELS
    assert len(seen(*query).splitlines()) == 1 + after.rows == 1 + before.rows


def many_labels() -> list[str]:
    """131, as in Fruits-360, of which some are awkward."""
    awkward = [label for label in AWKWARD_LABELS if len(label) < 100]
    awkward += ["L" * 249, "a+b & c", "<x>", "${env:HOME}", " spaces ", "...", "apple braeburn", "1.50", "null"]
    named = [f"{label} {number}" for number in range(1, 20) for label in SAMPLE_LABELS]
    return [*awkward, *named][:131]


def test_131_labels_are_read_back_through_glue_as_spark_wrote_them(lake: Lake) -> None:
    labels = many_labels()
    assert len(set(labels)) == 131
    ids = {label: hashlib.sha256(label.encode()).hexdigest() for label in labels}
    with lake.open("s3://lake/many", "many") as run:
        rows = [(ids[label], [float(i), 1.0], "p", label) for i, label in enumerate(labels)]
        frame = run.spark.createDataFrame(rows, "image_id string, vector array<float>, pca_id string, label string")
        publish(run, "gold.fruit_vectors", frame)
        seen = {r["label"]: (r["image_id"], r["vector"]) for r in run.spark.table("gold.fruit_vectors").collect()}
    assert seen == {label: (id_, vector) for id_, vector, _, label in rows}

    pages = lake.server.glue.get_paginator("get_partitions").paginate(
        DatabaseName="many_gold", TableName="fruit_vectors"
    )
    found = {}
    for partition in (p for page in pages for p in page["Partitions"]):
        fs, path = filesystem(partition["StorageDescriptor"]["Location"])
        row = pq.read_table(path, filesystem=fs, partitioning=None).to_pylist()
        assert len(row) == 1
        assert partition["Values"][0] not in found
        found[partition["Values"][0]] = (row[0]["image_id"], row[0]["vector"])
    assert found == seen


def test_the_lake_and_the_photos_may_not_lie_in_one_another(lake: Lake) -> None:
    with pytest.raises(SettingsError, match="lie in one another"):
        lake.run(lake=f"{IMAGES}/lake")


def command(server: AwsServer, *arguments: str, cwd: Path, **variables: str) -> Any:
    return fruitlake(*arguments, cwd=cwd, **(server.variables | variables))


@pytest.fixture
def photo(aws_server: AwsServer) -> str:
    """A bucket with a photo in it."""
    aws_server.make_bucket("some-photos")
    aws_server.s3.put_object(Bucket="some-photos", Key="Kiwi/1.jpg", Body=b"")
    return "s3://some-photos"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--images", "s3://nowhere/x", "--lake", "s3://some-photos/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
        (("run", "--images", "s3://some-photos", "--lake", "s3://nowhere/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
        (("run", "--images", "s3://some-photos/none", "--lake", "s3://some-photos/l"), ["there is no", "--images"]),
        (("run", "--images", "s3://some-photos", "--lake", "s3://some-photos/l"), ["lie in one another"]),
        (("run", "--images", "s3://some-photos", "--lake", "l", "--database-prefix", "Fruits!"), ["--database-prefix"]),
        (("status", "--lake", "s3://some-photos/l", "--database-prefix", "no"), ["there is no lake", "fruitlake run"]),
        (("status", "--lake", "s3://nowhere/l"), ["no bucket 'nowhere'", "aws s3 mb"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], says: list[str], aws_server: AwsServer, photo: str, tmp_path: Path
) -> None:
    assert_one_line(command(aws_server, *arguments, cwd=tmp_path), *says)


def assert_one_line(done: Any, *says: str) -> None:
    assert done.returncode == 1
    for word in says:
        assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "not foreseen" not in done.stderr


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


def test_jars_that_cannot_be_fetched_are_one_clear_line(aws_server: AwsServer, photo: str, tmp_path: Path) -> None:
    aws_server.make_bucket("any-lake")
    nowhere = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9"
    done = command(
        aws_server,
        *("run", "bronze", "--images", photo, "--lake", "s3://any-lake/l", "--database-prefix", "any"),
        cwd=tmp_path,
        JAVA_TOOL_OPTIONS=f"{nowhere} -Duser.home={tmp_path}",  # nor are they in ~/.m2
    )
    assert_one_line(done, "jars", "could not be fetched from Maven Central", "DEFAULT_ARTIFACT_REPOSITORY", "spark.log")


def test_the_commands_of_the_readme_run_in_order(
    aws_server: AwsServer, s3_spark: SparkSession, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """s3_spark has fetched the jars, or skips."""
    (block,) = [b for b in blocks("console") if "aws configure" in b]
    shown = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [words[:3] for words in shown[:2]] == [["aws", "configure"], ["aws", "s3", "mb"]]
    assert len(shown) == 4
    help_page = " ".join(fruitlake("run", "--help", cwd=tmp_path).stdout.split())
    places = [help_page.index(" ".join(words[:4])) for words in shown]
    assert places == sorted(places)

    aws_server.forget_tables()
    aws_server.make_bucket("my-photos")
    aws_server.make_bucket(shown[1][3].removeprefix("s3://"))
    write_sample_photos(tmp_path / "photos", per_label=2, size=64, labels=("Lemon", "Kiwi Half"), workers=1)
    for file in (tmp_path / "photos").rglob("*.*"):
        aws_server.s3.upload_file(str(file), "my-photos", f"Training/{file.parent.name}/{file.name}")
    choices = {"FRUITLAKE_WEIGHTS": "bundled", "FRUITLAKE_CACHE": str(cache), "COLUMNS": "200"}
    with aws_server.environment():
        for words in shown[2:]:
            assert fruitlake_here(*words[1:], cwd=tmp_path, **choices) == 0, capfd.readouterr().err
        capfd.readouterr()
        assert fruitlake_here("status", "--lake", "s3://my-lake/fruits", cwd=tmp_path, **choices) == 0
    assert "gold.fruit_vectors" in capfd.readouterr().out
