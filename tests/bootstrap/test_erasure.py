"""Erasure: no byte of lake or cache identifies the photo afterwards, and everything else is unchanged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from catalog.erasure_scope import Selection, find
from catalog.erasures import pending
from catalog.errors import CatalogError
from catalog.maintenance import VacuumPlan, forget
from catalog.rollback import rollback_lake, rollback_table
from ingestion.samples import write_sample_photos
from tests.erased import (
    LABELS,
    carry_out,
    check_marts,
    check_no_history,
    counts,
    naming,
    photos,
    planned,
    texts,
    traces,
)
from tests.lakes import AWKWARD_LABELS, Lake
from transforms.dbt import artifacts_folder

PHOTO_TABLES = ("bronze.images", "silver.image_features", "gold.fruit_vectors")


@pytest.fixture
def lake(twice_run: Lake, tmp_path: Path) -> Lake:
    copy = twice_run.copy(tmp_path / "lake")
    for photo in photos(copy, "Banana"):  # as dbt does for data tests that name the rows found
        for name in ("target/run_results.json", "logs/dbt.log"):
            file = artifacts_folder(copy.cache, str(copy.path)) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as said:
                said.write(f"{photo.image_id} {photo.path}")
    return copy


def gold(lake: Lake) -> dict[str, list[float]]:
    return {row["image_id"]: row["vector"] for row in lake.rows("gold.fruit_vectors", "image_id", "vector")}


def test_nothing_of_a_photo_is_left(lake: Lake) -> None:
    gone, stays = photos(lake, "Banana")[2], photos(lake, "Banana")[3]
    before, vectors = traces(lake, gone), gold(lake)
    assert all(before.values()), f"the search must find existing traces: {before}"
    Path(gone.path).rename(lake.path.parent / "gone.jpg")
    try:
        record = carry_out(lake, Selection(source_paths=frozenset({gone.path})))
        assert traces(lake, gone) == {name: [] for name in before}
        assert all(traces(lake, stays)[name] for name in ("bytes", "id", "path"))
        rows = counts(lake)
        assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 23
        assert rows["bronze.quarantine"] == 1
        after = gold(lake)
        assert set(after) == set(vectors) - {gone.image_id}
        assert all(np.array_equal(after[i], vectors[i]) for i in after), "the PCA has not changed"
        said = json.loads(record.read_text())
        assert said["rows"] == {
            "bronze.images": 1, "bronze.quarantine": 0, "silver.image_features": 1, "gold.fruit_vectors": 1,
        }  # fmt: skip
        assert (said["reason"], said["selector"], said["pca_refitted"]) == ("asked for it", "source path", False)
        assert said["snapshots_expired"] > 0
        assert pending(lake.tables) == []
        check_marts(lake)
        check_no_history(lake)
        erased_by = {table: snapshot.run for table, snapshot in lake.tables.current_snapshots().items()}
        assert all(erased_by[table] == said["id"] for table in (*PHOTO_TABLES, "gold.label_summary"))
        assert planned(lake) == VacuumPlan()
        assert not (lake.path / "reports" / "index.html").exists()
        again = lake.run(max_quarantine_share=1)
        assert not any(outcome.new for outcome in again.outcomes.values())
        assert traces(lake, gone) == {name: [] for name in before}
    finally:
        (lake.path.parent / "gone.jpg").rename(gone.path)  # shared with other tests' lakes


def test_a_label_goes_whole_with_what_was_rejected_and_the_pca_if_asked(lake: Lake) -> None:
    gone = photos(lake, "Banana")
    old = lake.current("gold.pca")
    assert naming(lake, "Banana")
    carry_out(lake, Selection(labels=frozenset({"Banana"})), refit=True)
    assert not [found for photo in gone for found in traces(lake, photo).values() if found]
    assert naming(lake, "Banana") == []
    assert counts(lake)["bronze.quarantine"] == 0
    assert {row["label"]: row["photos"] for row in lake.rows("gold.label_summary")} == {
        "Apple Braeburn": 8,
        "Kiwi Half": 8,
    }
    assert lake.current("gold.pca").id != old.id
    [pca] = lake.rows("gold.pca", "pca_id", "fitted_rows")
    assert pca["fitted_rows"] == 16
    assert {row["pca_id"] for row in lake.rows("gold.fruit_vectors", "pca_id")} == {pca["pca_id"]}
    check_marts(lake)
    check_no_history(lake)


def test_a_blocked_photo_stays_out_until_its_list_is_deleted(lake: Lake) -> None:
    gone = photos(lake, "Banana")[0]
    record = carry_out(lake, Selection(image_ids=frozenset({gone.image_id})), block=True)
    assert json.loads(record.read_text())["photos_blocked"] == 1
    [blocked] = (lake.path / "_erasures").glob("*.blocked.json")
    assert blocked.name.removesuffix(".blocked.json") == record.stem
    counts = lake.run("bronze", max_quarantine_share=1).ingested()
    assert counts is not None and (counts.stored, counts.blocked, counts.known) == (0, 1, 23)
    assert not any(traces(lake, gone).values())
    blocked.unlink()
    counts = lake.run("bronze", max_quarantine_share=1).ingested()
    assert counts is not None and (counts.stored, counts.blocked, counts.known) == (1, 0, 23)


def test_only_photos_can_be_blocked(lake: Lake) -> None:
    rejected = frozenset({str(lake.photos / "Banana" / "broken.jpg")})
    with pytest.raises(CatalogError, match="--and-block keeps photos out by their bytes"):
        find(lake.tables, Selection(source_paths=rejected), "why", block=True)


def test_when_everything_goes_the_lake_is_as_if_new(lake: Lake) -> None:
    gone = [photo for label in LABELS for photo in photos(lake, label)]
    found = find(lake.tables, Selection(labels=frozenset(LABELS)), "why")
    assert found.erasure.everything
    assert not find(lake.tables, Selection(labels=frozenset(LABELS[:2])), "why").erasure.everything
    carry_out(lake, Selection(labels=frozenset(LABELS)))
    assert not [found for photo in gone for found in traces(lake, photo).values() if found]
    assert not [found for label in LABELS for found in naming(lake, label)]
    assert counts(lake) == {"bronze.quarantine": 0}
    assert [path.name for path in (lake.path / "gold").glob("*")] == [], "aggregates of the photos are deleted, too"
    check_no_history(lake)
    run = lake.run("bronze", max_quarantine_share=1)
    files = [path for path in lake.photos.rglob("*.*") if path.name != "broken.jpg"]
    assert counts(lake) == {"bronze.quarantine": 1, "bronze.images": len(files)}
    assert run.outcomes["bronze.images"].new


def test_the_last_label_of_gold_goes_while_bronze_has_others(tmp_path: Path, cache: Path) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=2, labels=("Plum",))
    lake.run()
    write_sample_photos(lake.photos, per_label=2, labels=("Cherry",))
    lake.run("bronze")
    carry_out(lake, Selection(labels=frozenset({"Plum"})))
    rows = counts(lake)
    assert (rows["bronze.images"], rows["gold.fruit_vectors"], rows["gold.label_summary"]) == (2, 0, 0)
    shutil.rmtree(lake.photos / "Plum")
    lake.run()
    assert [row["label"] for row in lake.rows("gold.label_summary")] == ["Cherry"]


def test_a_photo_that_bronze_has_never_heard_of_goes_too(lake: Lake) -> None:
    """After a rollback of bronze and a vacuum, only silver and gold still have the photo."""
    gone = photos(lake, "Banana")[7]  # from the second batch
    first = lake.tables.history("bronze.images")[-1]
    rollback_table(lake.tables, "bronze.images", first.id)
    with lake.open() as run:
        forget(run.spark, run.lake, "bronze.images")
    found = find(lake.tables, Selection(labels=frozenset({"Banana"})), "why")
    assert gone.image_id in found.erasure.image_ids
    assert found.erasure.rows["silver.image_features"] == 8
    carry_out(lake, Selection(labels=frozenset({"Banana"})))
    assert not traces(lake, gone)["id"]


def test_a_photo_that_only_another_snapshot_has_goes_too(lake: Lake) -> None:
    first = lake.tables.history("bronze.images")[-1]
    gone = photos(lake, "Banana")[7]  # from the second batch
    rollback_lake(lake.tables, first.run)
    assert gone not in photos(lake, "Banana")
    carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert not any(traces(lake, gone).values())
    assert counts(lake)["bronze.images"] == first.rows
    check_no_history(lake)


def test_a_photo_that_has_moved_to_another_label_stays_with_it(lake: Lake) -> None:
    moved, *stays = photos(lake, "Banana")
    moved_to = lake.photos / "Kiwi Half" / "moved.jpg"
    Path(moved.path).rename(moved_to)
    try:
        lake.run("bronze", max_quarantine_share=1)
    finally:
        moved_to.rename(moved.path)  # shared with other tests' lakes
    assert moved.image_id in {photo.image_id for photo in photos(lake, "Kiwi Half")}
    of_label = find(lake.tables, Selection(labels=frozenset({"Banana"})), "why").erasure.image_ids
    assert set(of_label) == {photo.image_id for photo in stays}
    by_path = find(lake.tables, Selection(source_paths=frozenset({moved.path})), "why").erasure.image_ids
    assert by_path == (moved.image_id,)


def test_labels_with_odd_characters_go_too(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake")
    carry_out(lake, Selection(labels=frozenset(AWKWARD_LABELS)))
    assert {row["label"] for row in lake.rows("gold.fruit_vectors", "label")} == set(LABELS)
    assert counts(lake)["gold.fruit_vectors"] == 24
    searchable = [label for label in AWKWARD_LABELS if label not in ("007", ".hidden", "null")]  # these occur elsewhere
    assert not [found for label in searchable for found in naming(lake, label)]
    folders = [path.name for path in lake.path.glob("gold/fruit_vectors/data/*")]
    assert sorted(folders) == [f"label={label.replace(' ', '+')}" for label in sorted(LABELS)]


def test_a_rejected_file_goes_by_its_path(lake: Lake) -> None:
    broken = str(lake.photos / "Banana" / "broken.jpg")
    before = counts(lake)
    assert [file for file, data in texts(lake) if broken.encode() in data]
    carry_out(lake, Selection(source_paths=frozenset({broken})))
    assert counts(lake) == before | {"bronze.quarantine": 0}
    assert [file for file, data in texts(lake) if broken.encode() in data] == []
