"""AWS, configured by its standard variables, and buckets: errors are one line with the next step."""

from collections.abc import Callable
from pathlib import Path

import pytest

from catalog import aws as aws_module
from catalog.errors import AwsError
from catalog.lake import open_lake
from catalog.storage import (
    delete_file,
    delete_folder,
    exists,
    files,
    filesystem,
    read_bytes,
    write_object,
)
from tests.aws import REGION, AwsServer, glue_error, s3_error


@pytest.fixture
def place(aws: AwsServer) -> str:
    return f"s3://{aws.make_bucket('lake')}/my lake, 100% #1"


def test_what_is_written_to_a_bucket_is_found_and_deleted(aws: AwsServer, place: str) -> None:
    assert not exists(place) and files(place) == {}
    write_object(f"{place}/a/index.html", b"<p>page</p>")
    write_object(f"{place}/b/deep/2.json", b"{}")
    assert read_bytes(f"{place}/a/index.html") == b"<p>page</p>"
    inner = place.removeprefix("s3://")
    assert sorted(files(place)) == [f"{place}/a/index.html", f"{place}/b/deep/2.json"]
    kinds = [aws.s3.head_object(Bucket="lake", Key=f"{inner[5:]}{k}")["ContentType"] for k in ("/a/index.html",)]
    assert kinds == ["text/html"], "with another type, a browser would download it"
    delete_folder(f"{place}/a")
    delete_folder(f"{place}/never there")
    delete_file(f"{place}/b/deep/2.json")
    assert not exists(f"{place}/a") and files(place) == {}


@pytest.mark.parametrize(
    "use",
    [exists, files, read_bytes, lambda uri: open_lake(uri).check_writable(), lambda uri: write_object(f"{uri}/x", b"")],
)
def test_a_bucket_that_does_not_exist_is_named_with_the_command_that_makes_it(
    use: Callable[[str], object], aws: AwsServer
) -> None:
    with pytest.raises(AwsError, match=r"no bucket 'nowhere' .*aws s3 mb s3://nowhere --region eu-west-3"):
        use("s3://nowhere/lake")


def test_a_closed_bucket_is_said_to_be_closed(aws: AwsServer) -> None:
    aws.make_bucket("closed")
    with (
        aws.answering("HEAD /closed", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(AwsError, match=r"'closed' cannot be used: no permission for HeadBucket"),
    ):
        files("s3://closed/lake")


def test_a_place_that_cannot_be_written_is_said_before_any_work(aws: AwsServer, place: str) -> None:
    lake = open_lake(place.removesuffix(" #1"))
    with (
        aws.answering("PUT /lake/", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(AwsError, match=r"my lake, 100%' cannot be written: no permission for PutObject"),
    ):
        lake.check_writable()
    lake.check_writable()
    assert files(place) == {}, "the check must leave nothing behind"


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_MAX_ATTEMPTS", "many"), ("AWS_ENDPOINT_URL", "localhost"), ("AWS_REGION", "a b")]
)
def test_a_variable_that_means_nothing_is_named(
    variable: str, value: str, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    for service in ("s3", "glue", "sts"):
        with pytest.raises(AwsError, match=f"cannot be used: .*{value}.*see .*{variable}"):
            aws_module.client(service)


def test_what_a_server_says_in_lines_becomes_one(aws: AwsServer) -> None:
    with (
        aws.answering("GetDatabase", lambda _: glue_error("Broken", "<title>500</title>\n<h1>Internal</h1>\n")),
        pytest.raises(AwsError, match=r"failed \(Broken: <title>500</title> <h1>Internal</h1>\)$"),
        aws_module.explained("Glue"),
    ):
        aws_module.client("glue").get_database(Name="x")


def test_without_credentials_the_ways_to_get_them_are_told(
    aws: AwsServer, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsError, match=r"no AWS credentials: .*aws configure.*AWS_PROFILE.*AWS_ACCESS_KEY_ID"):
        exists(place)


def test_a_profile_that_is_not_there_is_named(aws: AwsServer, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    for use in (lambda: exists(place), lambda: aws_module.client("glue"), aws_module.s3):
        with pytest.raises(AwsError, match=r"nobody"):
            use()


def test_a_server_that_is_not_there_is_named(aws: AwsServer, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AwsError, match=r"127.0.0.1:9.*AWS_REGION or AWS_ENDPOINT_URL right"):
        exists(place)


def test_s3_may_be_elsewhere_than_the_rest(aws: AwsServer, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.url)
    write_object(f"{place}/x", b"1")
    assert (aws_module.endpoint("s3"), aws_module.endpoint("glue")) == (aws.url, "http://127.0.0.1:9")


def test_the_region_is_the_variables_then_the_profiles_then_paris(
    aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    assert aws_module.region() == "eu-west-3"
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-north-1\n[profile far]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert aws_module.region() == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "far")
    assert aws_module.region() == "ap-south-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    assert aws_module.region() == "sa-east-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert aws_module.region() == aws_module.client("glue").meta.region_name == "us-west-2"


def test_a_bucket_is_read_in_the_region_it_lies_in(aws: AwsServer) -> None:
    aws.make_bucket("far-away", region="ap-south-1")
    write_object("s3://far-away/x", b"1")
    fs, _ = filesystem("s3://far-away/x")
    assert (fs.region, aws_module.region()) == ("ap-south-1", REGION)


def test_other_credentials_are_used_as_soon_as_the_variables_say_so(
    aws: AwsServer, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filesystem(place)[0]
    assert filesystem(place)[0] is before, "one file system for all reads of a process"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    assert aws_module.credentials().access_key == "another"
    assert filesystem(place)[0] is not before
