"""Another Iceberg catalog can be configured: the same runs with a REST catalog."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.scan import dataset
from catalog.tables import TABLES
from ingestion.samples import write_sample_photos
from tests.commands import fruitlake_here
from tests.lakes import Lake
from tests.rest_catalog import fetch_server, rest_catalog


@pytest.fixture
def rest(tmp_path: Path, cache: Path) -> Iterator[dict[str, str]]:
    try:
        fetch_server(cache)
    except OSError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"the REST server's jars cannot be fetched from Maven Central: {error}")
    with rest_catalog(tmp_path, cache) as properties:
        yield properties


@pytest.mark.exhaustive
def test_a_lake_over_a_rest_catalog(
    rest: dict[str, str], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    tables = lake.settings(catalog=rest).open_lake()

    def command(*arguments: str) -> str:
        where = {"FRUITLAKE_CATALOG": json.dumps(rest), "FRUITLAKE_LAKE": str(lake.path), "FRUITLAKE_CACHE": str(cache)}
        assert fruitlake_here(*arguments, cwd=tmp_path, **where) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    def photos() -> int:
        return int(dataset(tables, "gold.fruit_vectors").count_rows())

    write_sample_photos(lake.photos, per_label=2, labels=("Banana", "Lemon"))
    first = lake.run(catalog=rest)
    assert tables.tables() == list(TABLES)
    assert not any(outcome.new for outcome in lake.run(catalog=rest).outcomes.values())
    write_sample_photos(lake.photos, per_label=3, labels=("Banana", "Lemon"))
    lake.run(catalog=rest)
    assert photos() == 6
    assert all(table in command("status") for table in TABLES)
    command("catalog", "rollback", "--to-run", first.id)
    assert photos() == 4
    assert " were removed" in command("vacuum", "--older-than", "0")
    lake.run(catalog=rest)
    assert photos() == 6
    assert {row["label"]: row["photos"] for row in dataset(tables, "gold.label_summary").to_table().to_pylist()} == {
        "Banana": 3,
        "Lemon": 3,
    }
    assert not (lake.path / "catalog.db").exists()
