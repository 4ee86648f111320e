"""Erasure: no byte of lake or cache identifies the photo afterwards, and everything else is unchanged."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bootstrap import erasing
from bootstrap.erasing import erase_photos, finish_erasures
from bootstrap.reporting import report_lake, report_run
from bootstrap.session import log_file
from catalog import erasure_scope, retention
from catalog.branch import AuditBranch
from catalog.erasure_scope import Selection, find
from catalog.erasures import pending
from catalog.errors import BusyError, CatalogError, SettingsError
from catalog.maintenance import VacuumPlan, forget, plan
from catalog.retention import outdated
from catalog.rollback import rollback_lake, rollback_table
from catalog.scan import data_files
from catalog.tables import IMAGES
from expectations.report.thumbnails import _thumbnail
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.lakes import AWKWARD_LABELS, Lake
from tests.photos import sample_photo
from transforms.dbt import artifacts_folder

LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")
QUIET = Console(quiet=True)
PHOTO_TABLES = ("bronze.images", "silver.image_features", "gold.fruit_vectors")


@pytest.fixture(scope="module")
def twice_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Lake:
    """A lake with two batches (two snapshots of every table), a rejected file, and leftovers of killed runs."""
    folder = tmp_path_factory.mktemp("erasure")
    lake = Lake(folder / "photos", folder / "lake", cache)
    write_sample_photos(lake.photos, per_label=4, labels=LABELS)
    lake.run()
    write_sample_photos(lake.photos, per_label=8, labels=LABELS)
    (lake.photos / "Banana" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    assert report_run(lake.run(max_quarantine_share=1), QUIET)
    images = lake.tables.load("bronze.images")
    assert images is not None
    for file in map(Path, data_files(images)):
        shutil.copy(file, file.with_name(f"killed-before-its-commit-{file.name}"))
    with lake.open() as killed:
        branch = AuditBranch(killed.spark, killed.lake, IMAGES, killed.id, killed.current("bronze.images"))
        branch.append(branch.rows().limit(100))
    return lake


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


@dataclass(frozen=True)
class Photo:
    image_id: str
    path: str
    content: bytes


def photos(lake: Lake, label: str) -> list[Photo]:
    """Stored photos of the label, from both batches; 4 to 7 are from the second."""
    rows = lake.rows("bronze.images", "image_id", "label", "source_path", "content")
    return sorted(
        (Photo(r["image_id"], r["source_path"], r["content"]) for r in rows if r["label"] == label),
        key=lambda p: p.path,
    )


def texts(lake: Lake) -> Iterable[tuple[Path, bytes]]:
    """Every file of lake and cache, with its bytes and its decompressed content."""
    logs = artifacts_folder(lake.cache, str(lake.path))
    for file in (*lake.path.rglob("*"), *logs.rglob("*"), log_file(lake.settings())):
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".parquet":
            data += repr(pq.read_table(file, partitioning=None).to_pydict()).encode()
        elif file.suffix == ".avro":
            with file.open("rb") as manifest:
                reader = fastavro.reader(manifest)
                data += repr((dict(reader.metadata), list(reader))).encode()
        elif data.startswith(b"\x1f\x8b"):
            data += gzip.decompress(data)
        yield file, data


def traces(lake: Lake, photo: Photo) -> dict[str, list[str]]:
    """Files of lake and cache that contain traces of the photo, by kind of trace."""
    thumbnail = _thumbnail(photo.content)
    assert thumbnail is not None
    looked_for = {
        "bytes": photo.content[len(photo.content) // 2 :][:48],
        "id": photo.image_id.encode(),
        "short id": f'"{photo.image_id[:8]}"'.encode(),  # in the report's map
        "path": photo.path.encode(),
        "thumbnail": base64.b64encode(thumbnail)[-120:-20],
    }
    found: dict[str, list[str]] = {name: [] for name in looked_for}
    for file, data in texts(lake):
        for name, needle in looked_for.items():
            if needle in data:
                found[name].append(file.name)
    return found


def naming(lake: Lake, label: str) -> list[str]:
    """Files and folders of the lake with the label in their name or content."""
    named = [str(path) for path in lake.path.rglob("*") if label in path.name]
    return named + [str(file) for file, data in texts(lake) if label.encode() in data or repr(label).encode() in data]


def counts(lake: Lake) -> dict[str, int]:
    return {name: snapshot.rows for name, snapshot in lake.tables.current_snapshots().items()}


def carry_out(lake: Lake, selection: Selection, refit: bool = False, block: bool = False) -> Path:
    tables = lake.tables
    with tables.exclusive():
        found = find(tables, selection, "asked for it", refit, block)
        return Path(erase_photos(lake.settings(), tables, found, QUIET))


def resume(lake: Lake) -> list[str]:
    with lake.tables.exclusive():
        return finish_erasures(lake.settings(), lake.tables, QUIET)


def planned(lake: Lake) -> VacuumPlan:
    with lake.open() as run:
        return plan(run.spark, run.lake, timedelta(0))


def gold(lake: Lake) -> dict[str, list[float]]:
    return {row["image_id"]: row["vector"] for row in lake.rows("gold.fruit_vectors", "image_id", "vector")}


def check_marts(lake: Lake) -> None:
    """Check that the marts match what their SQL computes from the remaining vectors."""
    vectors = lake.rows("gold.fruit_vectors")
    centroids = {}
    for row in lake.rows("gold.label_summary"):
        mine = np.array([v["vector"] for v in vectors if v["label"] == row["label"]], dtype=np.float64)
        centroids[row["label"]] = mine.mean(axis=0)
        assert row["photos"] == len(mine)
        assert row["share"] == pytest.approx(len(mine) / len(vectors))
        np.testing.assert_allclose(row["centroid"], centroids[row["label"]], atol=1e-5)
        spread = np.sqrt(((mine - centroids[row["label"]]) ** 2).sum(axis=1).mean())
        assert row["spread"] == pytest.approx(spread, abs=1e-4)
    assert set(centroids) == {v["label"] for v in vectors}
    similar = {(r["label"], r["other_label"]): r["cosine"] for r in lake.rows("gold.label_similarity")}
    assert set(similar) == {(a, b) for a in centroids for b in centroids if a != b}
    for (one, other), cosine in similar.items():
        a, b = centroids[one], centroids[other]
        assert cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)


def check_no_history(lake: Lake) -> None:
    """Check that every table has a single, audited snapshot, and no metadata file mentions another one or a branch."""
    for table, snapshot in lake.tables.current_snapshots().items():
        assert snapshot.properties["audit_result"] in ("passed", "warned"), table
        assert snapshot.properties["run_id"], table
        loaded = lake.tables.load(table)
        assert loaded is not None
        assert [s.snapshot_id for s in loaded.metadata.snapshots] == [snapshot.id]
        for file in (lake.path / table.replace(".", "/") / "metadata").glob("*.metadata.json"):
            said = json.loads(file.read_text())
            assert [s["snapshot-id"] for s in said["snapshots"]] == [snapshot.id], file
            assert [entry["snapshot-id"] for entry in said["snapshot-log"]] == [snapshot.id], file
            assert set(said["refs"]) == {"main"}


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
    old = lake.tables.current("gold.pca")
    assert naming(lake, "Banana")
    carry_out(lake, Selection(labels=frozenset({"Banana"})), refit=True)
    assert not [found for photo in gone for found in traces(lake, photo).values() if found]
    assert naming(lake, "Banana") == []
    assert counts(lake)["bronze.quarantine"] == 0
    assert {row["label"]: row["photos"] for row in lake.rows("gold.label_summary")} == {
        "Apple Braeburn": 8,
        "Kiwi Half": 8,
    }
    new = lake.tables.current("gold.pca")
    assert old is not None and new is not None and new.id != old.id
    [pca] = lake.rows("gold.pca", "pca_id", "fitted_rows")
    assert pca["fitted_rows"] == 16
    assert {row["pca_id"] for row in lake.rows("gold.fruit_vectors", "pca_id")} == {pca["pca_id"]}
    check_marts(lake)
    check_no_history(lake)


KILLED_IN = (  # in order; the attempt is killed at the first call that it reaches
    "transforms.erasure.drop_branches",
    "catalog.branch.AuditBranch.delete",  # nothing is deleted yet
    "catalog.branch.AuditBranch.seal",  # leaves a branch without the photo, not audited
    "catalog.branch.AuditBranch.fast_forward",  # leaves an audited branch, not published
    "transforms.erasure.drop_deleted_entries",  # bronze is published
    "catalog.branch.AuditBranch.delete",  # silver's
    "transforms.erasure._rebuild_gold",
    "catalog.branch.AuditBranch.overwrite",  # the first mart's, or with refit the PCA's
    "transforms.erasure._delete_traces",
    "transforms.erasure.forget",
    "catalog.maintenance.delete_empty_folders",  # snapshots are expired, but older metadata files still mention them
    "transforms.erasure.carry_out",
    "transforms.erasure.finish",
    "catalog.erasures.write_object",  # writing the record
)


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.exhaustive
def test_an_erasure_that_is_killed_again_and_again_is_finished(
    refit: bool, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object, **__: object) -> None:
        monkeypatch.setattr(AuditBranch, "drop", lambda self: None)  # a killed process does not clean up
        raise OSError("killed")  # not KeyboardInterrupt, which never ends dbt's threads

    [gone, *_], pca = photos(lake, "Kiwi Half"), lake.tables.current("gold.pca")
    selection = Selection(image_ids=frozenset({gone.image_id}))
    for killed_in in KILLED_IN:
        with monkeypatch.context() as patch, pytest.raises(CatalogError, match=r"not complete .*killed"):
            if pending(lake.tables):
                patch.setattr(killed_in, dying)
                resume(lake)
            else:
                patch.setattr("bootstrap.erasing.opened", dying)
                carry_out(lake, selection, refit=refit)
        monkeypatch.undo()
        [begun] = pending(lake.tables)
        assert begun.image_ids == (gone.image_id,)
    with pytest.raises(CatalogError, match="interrupted: finish it with `fruitlake erase --resume"):
        lake.run("gold")
    [record] = resume(lake)
    assert not any(traces(lake, gone).values())
    assert json.loads(Path(record).read_text())["rows"]["bronze.images"] == 1
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 23
    new = lake.tables.current("gold.pca")
    assert pca is not None and new is not None
    assert (new.properties["pca_id"] == begun.id) == refit, "fitted once, by this erasure, and only with refit"
    check_marts(lake)
    check_no_history(lake)
    assert planned(lake) == VacuumPlan()


def test_looking_changes_nothing_and_tells_what_the_source_still_has(lake: Lake) -> None:
    before = {p: p.stat().st_mtime_ns for p in lake.path.rglob("*")}
    gone = photos(lake, "Banana")[0]
    found = find(lake.tables, Selection(image_ids=frozenset({gone.image_id})), "why")
    assert found.still_there == (gone.path,)
    assert found.erasure.rows["gold.fruit_vectors"] == 1
    assert {p: p.stat().st_mtime_ns for p in lake.path.rglob("*")} == before


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


KNOWN = frozenset({"Banana"})


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (
            Selection(image_ids=frozenset({"0" * 64, "1" * 64})),
            "has the image id '0000.*nor 1 others.* nothing was erased",
        ),
        (Selection(labels=frozenset({"Durian"})), "has the label 'Durian'"),
        (Selection(labels=KNOWN, source_paths=frozenset({"/no/such.jpg"})), "has the source path '/no/such.jpg'"),
        (Selection(labels=KNOWN | {"Kiwi half"}), "has the label 'Kiwi half', and nothing was erased"),
    ],
)
def test_whatever_means_nothing_is_refused_since_it_may_be_misspelt(
    selection: Selection, says: str, twice_run: Lake
) -> None:
    with pytest.raises(CatalogError, match=says):
        find(twice_run.tables, selection, "why")


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


def test_what_killed_runs_left_on_this_machine_goes_and_what_spark_said(lake: Lake) -> None:
    gone = photos(lake, "Banana")[0]
    killed = Path(tempfile.mkdtemp(prefix="fruitlake-spark-"))
    (killed / "rdd_7_0").write_bytes(gone.content)
    log = log_file(lake.settings())
    log.write_text(f"while reading {gone.path}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing, "carry_out_erasure", lambda run, erasure: "record")  # tested above
        carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert not killed.exists()
    assert not log.exists()


def test_what_stops_an_erasure_is_said_with_the_next_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = photos(lake, "Kiwi Half")[0]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AuditBranch, "delete", full)
    with pytest.raises(CatalogError, match=r"not complete .*No space left.*fruitlake erase --resume .* no run starts"):
        carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert len(pending(lake.tables)) == 1


def test_a_source_that_cannot_be_asked_may_still_have_the_file(aws: AwsServer) -> None:
    bucket = aws.make_bucket("source")
    aws.s3.put_object(Bucket=bucket, Key="Kiwi/1.jpg", Body=b"")
    paths = ("s3://source/Kiwi/1.jpg", "s3://source/Kiwi/2.jpg", "s3://closed/Kiwi/1.jpg")
    assert erasure_scope._still_there(paths) == (paths[0], paths[2])


def test_no_report_is_written_while_photos_are_erased(lake: Lake) -> None:
    with (
        lake.tables.exclusive(),
        pytest.raises(BusyError, match=r"is locked by `fruitlake vacuum` or `erase`"),
    ):
        report_lake(lake.settings(), lake.tables, QUIET)


def days_later(monkeypatch: pytest.MonkeyPatch, batch: str, days: int) -> None:
    """Set the clock to this many days after the batch began."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:
            begun = datetime.strptime(batch[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return cls.fromtimestamp((begun + timedelta(days=days)).timestamp(), UTC)

    monkeypatch.setattr(retention, "datetime", Later)


def batches(lake: Lake) -> list[str]:
    return sorted({row["batch"] for row in lake.rows("bronze.images", "batch")})


def too_old(lake: Lake, **days: int | None) -> Selection:
    return outdated(lake.tables, lake.settings(**days).retention)


def test_batches_go_when_they_are_too_old(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = batches(lake)
    assert too_old(lake) == Selection()
    assert too_old(lake, photos_days=1) == Selection()
    days_later(monkeypatch, second, 1)
    old = too_old(lake, photos_days=1, quarantine_days=1)
    assert old.batches == {first}
    monkeypatch.undo()
    carry_out(lake, old)
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 12
    assert rows["bronze.quarantine"] == 1


def test_the_list_of_rejected_files_is_kept_as_long_as_it_may_be(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    [rejected] = lake.rows("bronze.quarantine")
    before = counts(lake)
    days_later(monkeypatch, rejected["batch"], 2)
    old = too_old(lake, quarantine_days=1)
    assert old == Selection(quarantine_batches=frozenset({rejected["batch"]}))
    carry_out(lake, old)
    assert counts(lake) == before | {"bronze.quarantine": 0}


def test_features_may_be_kept_longer_than_their_photos(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = batches(lake)
    before, gone = counts(lake), photos(lake, "Banana")[0]
    days_later(monkeypatch, second, 2)
    old = too_old(lake, photos_days=1, features_days=3)
    assert old == Selection(photo_batches=frozenset({first, second}))
    carry_out(lake, old)
    assert counts(lake) == before | {"bronze.images": 0}
    assert not traces(lake, gone)["bytes"] and not traces(lake, gone)["path"]
    again = Lake(lake.path.parent / "newer photos", lake.path, lake.cache)
    for label in LABELS:
        (again.photos / label).mkdir(parents=True)
        sample_photo(label, 8, 80).save(again.photos / label / "newer.jpg")
    again.run()
    rows = counts(lake)
    assert (rows["bronze.images"], rows["silver.image_features"], rows["gold.fruit_vectors"]) == (3, 27, 27)
    days_later(monkeypatch, second, 3)
    old = too_old(lake, photos_days=1, features_days=3)
    assert old.feature_batches == {first}
    carry_out(lake, old)
    assert not any(traces(lake, gone).values())
    rows = counts(lake)
    assert rows["silver.image_features"] == rows["gold.fruit_vectors"] == 12 + 3


def test_a_photo_whose_features_were_kept_may_come_back(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    days_later(monkeypatch, batches(lake)[1], 2)
    carry_out(lake, too_old(lake, photos_days=1, features_days=3))
    again = Lake(lake.path.parent / "newer photos", lake.path, lake.cache)
    (again.photos / "Banana").mkdir(parents=True)
    sample_photo("Banana", 8, 80).save(again.photos / "Banana" / "newer.jpg")
    again.run()  # from here on bronze only grows
    shutil.copy(sorted((lake.photos / "Banana").iterdir())[0], again.photos / "Banana" / "back.jpg")
    again.run()
    rows = counts(lake)
    assert (rows["bronze.images"], rows["silver.image_features"], rows["gold.fruit_vectors"]) == (2, 25, 25)


def test_photos_cannot_be_kept_longer_than_their_features(twice_run: Lake) -> None:
    for photos_days in (None, 4):
        with pytest.raises(SettingsError, match=r"FEATURES_DAYS is 3, .* set FRUITLAKE_PHOTOS_DAYS to at most 3"):
            too_old(twice_run, photos_days=photos_days, features_days=3)
