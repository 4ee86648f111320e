"""A lake in a folder: its locks, and processes that start at the same time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from threading import Barrier

import pytest

from catalog.errors import BusyError
from catalog.lake import open_lake


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "lake [v1] 100% #é")


def test_runs_that_begin_at_once_all_get_in_and_only_one_is_alone(uri: str) -> None:
    runs = 8
    for attempt in range(5):
        lake, together = f"{uri} {attempt}", Barrier(runs)

        def begin(_: int, lake: str = lake, together: Barrier = together) -> bool:
            together.wait()
            with open_lake(lake).in_use() as alone:
                together.wait()
            return alone

        with ThreadPoolExecutor(runs) as pool:
            assert sum(pool.map(begin, range(runs))) == 1
        with closing(connect(f"{lake}/catalog.db")) as database:
            found = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        assert {name for (name,) in found} == {"iceberg_tables", "iceberg_namespace_properties"}


def test_what_removes_files_and_runs_keep_each_other_out(uri: str) -> None:
    with open_lake(uri).in_use(), open_lake(uri).in_use() as alone:
        assert not alone
        with pytest.raises(BusyError, match="in use by a run: try again"), open_lake(uri).exclusive():
            pass
    with open_lake(uri).exclusive():
        for another in (open_lake(uri).exclusive(), open_lake(uri).in_use()):
            with pytest.raises(BusyError, match="again when it has ended"), another:
                pass
    with open_lake(uri).in_use() as alone:
        assert alone


def test_to_ask_a_lake_that_is_not_there_makes_none(uri: str) -> None:
    lake = open_lake(uri)
    assert (lake.has_catalog(), lake.tables(), lake.history("gold.pca"), lake.current("gold.pca")) == (
        False,
        [],
        [],
        None,
    )
    assert not Path(uri).exists()
