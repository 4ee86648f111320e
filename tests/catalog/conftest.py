"""An empty lake for each test of the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.glue import GlueCatalog
from catalog.local import LocalCatalog
from tests.aws import AwsServer


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    """The catalog of a lake that holds nothing yet; the lake's name is one that paths stumble over."""
    return LocalCatalog(str(tmp_path / "my lake, 100% #1"))


@pytest.fixture
def local_catalog(tmp_path: Path) -> LocalCatalog:
    """The same, where `catalog` means any of them."""
    return LocalCatalog(str(tmp_path / "my lake, 100% #1"))


@pytest.fixture
def glue_catalog(aws: AwsServer) -> GlueCatalog:
    """The catalog of a lake in an empty bucket, in an account without tables."""
    return GlueCatalog(f"s3://{aws.make_bucket('lake')}/my lake, 100% #1")
