"""Buckets outside the allowed regions are refused before a byte of them is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bootstrap.lakes import open_catalog
from bootstrap.pipeline import build, open_run
from bootstrap.settings import load
from catalog.errors import RegionError
from catalog.location import check_bucket
from tests.aws import AwsServer

PARIS = ("eu-west-3",)
QUIET = Console(quiet=True)


def test_a_bucket_elsewhere_is_refused(aws: AwsServer) -> None:
    near, far = aws.make_bucket("near"), aws.make_bucket("far", "ap-south-1")
    check_bucket(f"s3://{near}/photos", PARIS)
    with pytest.raises(RegionError, match=r"'far' lies in ap-south-1, allowed: eu-west-3: .*FRUITLAKE_ALLOWED_REGIONS"):
        check_bucket(f"s3://{far}/photos", PARIS)
    check_bucket(f"s3://{far}/photos", ("eu-west-3", "ap-south-1"))


def test_a_folder_is_where_the_machine_is(tmp_path: Path) -> None:
    check_bucket(str(tmp_path), ())


def test_no_command_reads_a_lake_or_photos_elsewhere(aws: AwsServer, tmp_path: Path) -> None:
    far = aws.make_bucket("far", "ap-south-1")
    aws.s3.put_object(Bucket=far, Key="photos/Kiwi/1.jpg", Body=b"a person's photo")
    elsewhere = load(lake=f"s3://{far}/lake", images=str(tmp_path), weights="bundled", cache=tmp_path)
    photos = load(lake=str(tmp_path / "lake"), images=f"s3://{far}/photos", weights="bundled", cache=tmp_path)
    touched: list[str] = []
    with (
        aws.answering("GET /far", lambda _: touched.append("read")),
        aws.answering("PUT /far", lambda _: touched.append("written")),
    ):
        aws.s3.list_objects_v2(Bucket=far)
        assert touched.pop() == "read", "it would be seen"
        for refused in (
            lambda: open_catalog(elsewhere),
            lambda: open_run(elsewhere, QUIET).__enter__(),
            lambda: build(elsewhere, "gold", QUIET),
            lambda: build(photos, "all", QUIET),
            lambda: open_run(photos, QUIET).__enter__(),  # as `fruitlake dbt` does
        ):
            with pytest.raises(RegionError, match="ap-south-1"):
                refused()
    assert touched == []
    assert not (tmp_path / "lake").exists()


def test_a_catalog_elsewhere_is_refused(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = load(lake=f"s3://{aws.make_bucket('near')}/lake")
    open_catalog(lake)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(RegionError, match="AWS_REGION is us-east-1, where Glue would keep"):
        open_catalog(lake)


def test_the_allowed_regions_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().regions == PARIS
    monkeypatch.setenv("FRUITLAKE_ALLOWED_REGIONS", "eu-west-1, eu-central-1")
    assert load().regions == ("eu-west-1", "eu-central-1")
