"""`fruitlake` on buckets: mistakes are one line, and the README's commands run."""

import shlex
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ingestion.samples import write_sample_photos
from tests.aws import AwsServer, s3_error
from tests.bootstrap.test_readme import blocks
from tests.commands import Done, check_one_line, fruitlake, fruitlake_here


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


def in_the_readme() -> list[list[str]]:
    """The commands that the README shows for AWS."""
    (block,) = [b for b in blocks("console") if "aws configure" in b]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def test_the_readme_and_the_help_show_the_same_way_to_aws(tmp_path: Path) -> None:
    shown = in_the_readme()
    assert [words[:3] for words in shown[:2]] == [["aws", "configure"], ["aws", "s3", "mb"]]
    help_page = " ".join(fruitlake("run", "--help", cwd=tmp_path).out.split())
    places = [help_page.index(" ".join(words[:4])) for words in shown]
    assert places == sorted(places)


@pytest.mark.exhaustive
def test_the_commands_of_the_readme_run(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, make_bucket, *commands = in_the_readme()
    aws_server.forget_tables()
    aws_server.make_bucket("my-photos")
    aws_server.make_bucket(make_bucket[3].removeprefix("s3://"))
    write_sample_photos(tmp_path / "photos", per_label=2, labels=("Lemon", "Kiwi Half"))
    for file in (tmp_path / "photos").rglob("*.*"):
        aws_server.s3.upload_file(str(file), "my-photos", f"Training/{file.parent.name}/{file.name}")
    choices = {"FRUITLAKE_WEIGHTS": "bundled", "FRUITLAKE_CACHE": str(cache), "COLUMNS": "200"}
    with aws_server.environment():
        for words in commands:
            assert fruitlake_here(*words[1:], cwd=tmp_path, **choices) == 0, capfd.readouterr().err
        capfd.readouterr()
        assert fruitlake_here("status", "--lake", "s3://my-lake/fruits", cwd=tmp_path, **choices) == 0
    assert "gold.fruit_vectors" in capfd.readouterr().out
