"""An empty lake for each test of the catalog."""

from pathlib import Path

import pytest

from catalog.lake import Lake, open_lake
from tests.aws import AwsServer


@pytest.fixture
def folder_lake(tmp_path: Path) -> Lake:
    """An empty lake, at a path with characters that are special in URIs and globs."""
    return open_lake(str(tmp_path / "my lake, 100%25 #1 {a,b} [v1] ?é"))


@pytest.fixture
def bucket_lake(aws: AwsServer) -> Lake:
    """The same in an empty bucket, in an account without tables."""
    return open_lake(f"s3://{aws.make_bucket('lake')}/" + "my lake, 100%25 {a,b} [v1] é;")
