"""An empty lake for each test of the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.local import LocalCatalog


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    """The catalog of a lake that holds nothing yet; the lake's name is one that paths stumble over."""
    return LocalCatalog(str(tmp_path / "my lake, 100% #1"))
