"""`fruitlake catalog`: a table's history, and rolling back."""

from pathlib import Path

import pytest

from catalog.lake import Lake, open_lake
from ingestion.samples import write_sample_photos
from tests import lakes
from tests.catalog.test_rollback import FIRST, IMAGES, SECOND, SUMMARY, VECTORS, publish, runs, snapshot
from tests.commands import Done, check_one_line, fruitlake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two runs; only the second built label_summary."""
    lake = open_lake(str(tmp_path / "lake"))
    publish(lake, FIRST, IMAGES, VECTORS)
    publish(lake, SECOND, IMAGES, VECTORS, SUMMARY)
    return lake


def run(lake: Lake, *arguments: str) -> Done:
    return fruitlake("catalog", *arguments, "--lake", lake.uri, cwd=Path(lake.uri).parent)


def test_the_history_marks_what_readers_see(lake: Lake) -> None:
    code, said, _ = run(lake, "history", VECTORS)
    assert code == 0
    lines = said.splitlines()
    shown = [(str(s.id), "current" in line) for line in lines for s in lake.history(VECTORS) if str(s.id) in line]
    assert shown == [(str(snapshot(lake, VECTORS, r).id), r == SECOND) for r in (SECOND, FIRST)]


def test_every_table_goes_back_to_what_it_was_after_a_run(lake: Lake) -> None:
    said = run(lake, "rollback", "--to-run", FIRST).out.splitlines()
    assert runs(lake) == {IMAGES: [FIRST], VECTORS: [FIRST]}
    assert f"{VECTORS}: {snapshot(lake, VECTORS, FIRST).id} is current (1 rows)" in said
    assert f"{SUMMARY}: dropped, it was made later" in said


def test_a_table_alone_goes_back_and_forth_with_a_warning(lake: Lake) -> None:
    newer, older = (snapshot(lake, VECTORS, r) for r in (SECOND, FIRST))
    said = run(lake, "rollback", VECTORS, str(older.id)).out
    assert f"{VECTORS}: {older.id} is current (1 rows); it was {newer.id}" in said
    assert f"warning: {IMAGES}, {SUMMARY} stayed as they were: `--to-run {FIRST}`" in said
    assert "warning" not in run(lake, "rollback", VECTORS, str(newer.id)).out, "all tables are at the same run again"
    assert runs(lake)[VECTORS] == [FIRST, SECOND]


def test_nothing_is_taken_back_while_a_run_works(lake: Lake) -> None:
    with open_lake(lake.uri).in_use():
        done = run(lake, "rollback", "--to-run", FIRST)
    assert done.code == 1
    check_one_line(done.err, "in use by a run", "try again")
    assert runs(lake)[VECTORS] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("history", "gold.fruit"), ["gold.fruit", VECTORS]),
        (("rollback", "gold.fruit", "7"), ["gold.fruit", VECTORS]),
        (("rollback", VECTORS, "7"), [VECTORS, "no snapshot 7", "catalog history"]),
        (("rollback", VECTORS, "yesterday"), [VECTORS, "no snapshot yesterday"]),
        (("rollback", VECTORS), ["--to-run RUN", "TABLE and SNAPSHOT"]),
        (("rollback",), ["--to-run RUN", "TABLE and SNAPSHOT"]),
        (("rollback", VECTORS, "7", "--to-run", FIRST), ["--to-run RUN", "TABLE and SNAPSHOT"]),
        (("rollback", "--to-run", "yesterday"), ["yesterday", FIRST, SECOND]),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: list[str], lake: Lake) -> None:
    done = run(lake, *arguments)
    assert done.code in (1, 2)
    check_one_line(done.err, *says)
    assert runs(lake)[VECTORS] == [FIRST, SECOND]


@pytest.mark.exhaustive
def test_a_lake_that_went_back_runs_again(cache: Path, tmp_path: Path) -> None:
    """Photos missing from the older bronze are ingested again; nothing is stored twice."""
    lake = lakes.Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=2, labels=("Banana", "Lemon"))
    first = lake.run()
    write_sample_photos(lake.photos, per_label=3, labels=("Banana", "Lemon", "Plum"))
    lake.run()
    whole = {table: version.rows for table, version in lake.tables.current_snapshots().items()}
    assert run(lake.tables, "rollback", "--to-run", first.id).code == 0
    assert (whole[VECTORS], len(lake.rows(VECTORS))) == (9, 4)
    again = lake.run()
    counts = again.ingested()
    assert counts is not None and (counts.stored, counts.known) == (5, 4)
    assert {table: version.rows for table, version in lake.tables.current_snapshots().items()} == whole
    for table in (IMAGES, "silver.image_features", VECTORS):
        assert len({row["image_id"] for row in lake.rows(table, "image_id")}) == 9


@pytest.mark.exhaustive
def test_what_was_made_later_is_made_again(cache: Path, tmp_path: Path) -> None:
    lake = lakes.Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=2, labels=("Banana", "Lemon"))
    bronze = lake.run("bronze")
    lake.run()
    assert run(lake.tables, "rollback", "--to-run", bronze.id).code == 0
    assert lake.tables.tables() == ["bronze.images", "bronze.quarantine"]
    lake.run()
    assert len(lake.rows(VECTORS)) == len(lake.rows("silver.image_features")) == 4
