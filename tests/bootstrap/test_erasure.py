"""Erasing: afterwards no byte of lake or cache tells of the photo, and everything else is as it was."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bootstrap import erasure as erasure_module
from bootstrap import to_erase
from bootstrap.erasure import erase, resume
from bootstrap.reporting import report_lake, report_run
from bootstrap.session import log_file
from bootstrap.to_erase import Selection, find, outdated
from catalog.erasures import pending
from catalog.errors import BusyError, CatalogError, SettingsError
from catalog.lock import alone
from catalog.tables import TABLES
from catalog.vacuum import plan
from expectations.report.thumbnails import _thumbnail
from ingestion.photo import decode
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.lakes import AWKWARD_LABELS, Lake
from transforms.dbt import artifacts_folder

LABELS = ("Apple Braeburn", "Banana", "Kiwi Half")
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def twice_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Lake:
    """Two batches, so two snapshots of everything; a rejected file; what a killed run left."""
    folder = tmp_path_factory.mktemp("erasure")
    lake = Lake(folder / "photos", folder / "lake", cache)
    write_sample_photos(lake.photos, per_label=6, size=64, labels=LABELS, workers=1)
    report_run(lake.run(), QUIET)
    write_sample_photos(lake.photos, per_label=8, size=64, labels=LABELS, workers=1)
    (lake.photos / "Banana" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    report_run(lake.run(max_quarantine_share=1), QUIET)
    images = lake.path / "bronze" / "images"
    killed = images / "batch=20260101T000000-dead"
    shutil.copytree(next(p for p in images.iterdir() if p.name.startswith("batch=")), killed)
    return lake


@pytest.fixture
def lake(twice_run: Lake, tmp_path: Path) -> Lake:
    copy = Lake(twice_run.photos, tmp_path / "lake", twice_run.cache)
    shutil.copytree(twice_run.path, copy.path)
    for photo in photos(copy, "Banana"):  # as where a data test names the rows it found
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
    """Stored photos of the label, of both batches."""
    snapshot = lake.catalog.current("bronze.images")
    assert snapshot is not None
    files = [str(f) for folder in snapshot.partitions.values() for f in (lake.path / folder).glob("*.parquet")]
    rows = ds.dataset(files).to_table(["image_id", "label", "source_path", "content"]).to_pylist()
    return sorted(
        (Photo(r["image_id"], r["source_path"], r["content"]) for r in rows if r["label"] == label),
        key=lambda p: p.path,
    )


def traces(lake: Lake, photo: Photo) -> dict[str, list[str]]:
    """Files of lake and cache in which something of the photo stands."""
    thumbnail = _thumbnail(photo.content, decode)
    assert thumbnail is not None
    looked_for = {
        "bytes": photo.content[len(photo.content) // 2 :][:48],
        "id": photo.image_id.encode(),
        "short id": f'"{photo.image_id[:8]}"'.encode(),  # in the report's map
        "path": photo.path.encode(),
        "thumbnail": base64.b64encode(thumbnail)[-120:-20],
    }
    found: dict[str, list[str]] = {name: [] for name in looked_for}
    for file in [
        *lake.path.rglob("*"),
        *artifacts_folder(lake.cache, str(lake.path)).rglob("*"),
        log_file(lake.settings()),
    ]:
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".parquet":  # what compression hides
            data += repr(pq.read_table(file, partitioning=None).to_pydict()).encode()
        for name, needle in looked_for.items():
            if needle in data:
                found[name].append(file.name)
    return found


def counts(lake: Lake) -> dict[str, int]:
    return {name: s.rows for name in TABLES if (s := lake.catalog.current(name))}


def carry_out(lake: Lake, selection: Selection, **more: bool) -> Path:
    settings = lake.settings()
    with alone(settings.lake):
        return Path(erase(settings, find(lake.catalog, selection, "asked for it", **more), QUIET))


def test_nothing_of_a_photo_is_left(lake: Lake) -> None:
    gone, stays = photos(lake, "Banana")[2], photos(lake, "Banana")[3]
    before, vectors = traces(lake, gone), gold(lake)
    assert all(before.values()), "the search finds what is there"
    Path(gone.path).unlink()
    record = carry_out(lake, Selection(source_paths=frozenset({gone.path})))
    assert traces(lake, gone) == {name: [] for name in before}
    assert all(traces(lake, stays)[name] for name in ("bytes", "id", "path"))
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 23
    assert rows["bronze.quarantine"] == 1
    after = gold(lake)
    assert set(after) == set(vectors) - {gone.image_id}
    assert all(np.array_equal(after[i], vectors[i]) for i in after), "the PCA stands"
    said = json.loads(record.read_text())
    assert said["rows"] == {
        "bronze.images": 1, "bronze.quarantine": 0, "silver.image_features": 1, "gold.fruit_vectors": 1,
    }  # fmt: skip
    assert (said["reason"], said["selector"], said["pca_refitted"]) == ("asked for it", "source path", False)
    assert pending(str(lake.path)) == []
    assert plan(lake.catalog, timedelta(0)).empty
    assert summary(lake)["Banana"] == 7
    assert not (lake.path / "reports").exists()
    numbers = marts(lake)
    again = lake.run(max_quarantine_share=1)
    new = {table for table, outcome in again.outcomes.items() if outcome.new}
    assert new == {"gold.label_summary", "gold.label_similarity"}, "only the marts are built by their SQL, and audited"
    assert marts(lake) == [pytest.approx(row) for row in numbers]
    assert traces(lake, gone) == {name: [] for name in before}


def gold(lake: Lake) -> dict[str, list[float]]:
    snapshot = lake.catalog.current("gold.fruit_vectors")
    assert snapshot is not None
    rows = ds.dataset(lake.path / snapshot.location).to_table(["image_id", "vector"]).to_pylist()
    return {row["image_id"]: row["vector"] for row in rows}


def marts(lake: Lake) -> list[list[float]]:
    """All numbers of both marts, in the order of their labels."""
    found = []
    for table in ("gold.label_summary", "gold.label_similarity"):
        snapshot = lake.catalog.current(table)
        assert snapshot is not None
        rows = ds.dataset(lake.path / snapshot.location).to_table().to_pylist()
        for row in sorted(rows, key=lambda r: (r["label"], r.get("other_label"))):
            numbers = [v for v in row.values() if isinstance(v, int | float)]
            found.append([*numbers, *row.get("centroid", [])])
    return found


def summary(lake: Lake) -> dict[str, int]:
    snapshot = lake.catalog.current("gold.label_summary")
    assert snapshot is not None
    return {r["label"]: r["photos"] for r in ds.dataset(lake.path / snapshot.location).to_table().to_pylist()}


def test_a_label_goes_whole_with_what_was_rejected_and_the_pca_if_asked(lake: Lake) -> None:
    gone = photos(lake, "Banana")
    old = lake.catalog.current("gold.pca")
    carry_out(lake, Selection(labels=frozenset({"Banana"})), refit=True)
    assert not [found for photo in gone for found in traces(lake, photo).values() if found]
    assert counts(lake)["bronze.quarantine"] == 0
    assert summary(lake) == {"Apple Braeburn": 8, "Kiwi Half": 8}
    new = lake.catalog.current("gold.pca")
    assert old is not None and new is not None and new.id != old.id
    assert [p.name for p in (lake.path / "model" / "pca").iterdir()] == [new.id]
    assert not [p for p in lake.path.rglob("*") if "Banana" in p.name]


@pytest.mark.parametrize("killed_in", ["without_rows", "without_photos", "_forget_history", "finish"])
def test_an_interrupted_erasure_is_finished(killed_in: str, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = photos(lake, "Kiwi Half")[0]
    with monkeypatch.context() as patch:

        def kill(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(erasure_module, killed_in, kill)
        with pytest.raises(KeyboardInterrupt):
            carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    with pytest.raises(CatalogError, match="interrupted: finish it with `fruitlake erase --resume"):
        lake.run("gold")
    with alone(str(lake.path)):
        [record] = resume(lake.settings(), QUIET)
    assert not any(traces(lake, gone).values())
    assert json.loads(Path(record).read_text())["rows"]["bronze.images"] == 1
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 23


def test_an_erasure_that_stops_before_any_of_its_writes_is_finished(
    twice_run: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = photos(twice_run, "Kiwi Half")[0]
    selection = Selection(image_ids=frozenset({gone.image_id}))
    replace, finished = os.replace, False
    for stop_before in range(1, 100, 3):  # of the files that appear in one step: entries, pointers, what is pending
        copy = Lake(twice_run.photos, tmp_path / f"lake {stop_before}", twice_run.cache)
        shutil.copytree(twice_run.path, copy.path)
        writes = iter(range(stop_before))

        def stop(source: str, target: str, writes: Iterator[int] = writes) -> None:
            if next(writes, None) is None:
                raise KeyboardInterrupt
            replace(source, target)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(os, "replace", stop)
            carry_out(copy, selection)
            finished = True
        with alone(str(copy.path)):
            assert len(resume(copy.settings(), QUIET)) == (not finished)
        assert not any(traces(copy, gone).values())
        assert counts(copy)["gold.fruit_vectors"] == 23
        if finished:
            return
    pytest.fail("an erasure does not write that often")


def test_looking_changes_nothing_and_tells_what_the_source_still_has(lake: Lake) -> None:
    before = {p: p.stat().st_mtime_ns for p in lake.path.rglob("*")}
    gone = photos(lake, "Banana")[0]
    found = find(lake.catalog, Selection(image_ids=frozenset({gone.image_id})), "why")
    assert found.still_there == (gone.path,)
    assert found.erasure.rows["gold.fruit_vectors"] == 1
    assert {p: p.stat().st_mtime_ns for p in lake.path.rglob("*")} == before


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
        find(twice_run.catalog, selection, "why")


def test_when_everything_goes_the_lake_is_as_if_new(lake: Lake) -> None:
    gone = [photo for label in LABELS for photo in photos(lake, label)]
    found = find(lake.catalog, Selection(labels=frozenset(LABELS)), "why")
    assert found.erasure.everything
    assert not find(lake.catalog, Selection(labels=frozenset(LABELS[:2])), "why").erasure.everything
    carry_out(lake, Selection(labels=frozenset(LABELS)))
    assert not [found for photo in gone for found in traces(lake, photo).values() if found]
    assert counts(lake) == {"bronze.quarantine": 0}
    assert not list((lake.path / "model" / "pca").glob("*")), "nor an average over them"
    run = lake.run("bronze", max_quarantine_share=1)
    files = [path for path in lake.photos.rglob("*.*") if path.name != "broken.jpg"]
    assert counts(lake) == {"bronze.quarantine": 1, "bronze.images": len(files)}
    assert run.outcomes["bronze.images"].new


def test_a_photo_that_bronze_has_never_heard_of_goes_too(lake: Lake) -> None:
    """Bronze was rolled back, and what it went back from was vacuumed: silver and gold still have the photo."""
    gone = photos(lake, "Banana")[7]  # of the second batch
    newer, first = lake.catalog.history("bronze.images")
    lake.catalog.rollback(first.table, first.id)
    lake.catalog.forget(newer.table, newer.id)
    found = find(lake.catalog, Selection(labels=frozenset({"Banana"})), "why")
    assert gone.image_id in found.erasure.image_ids
    assert found.erasure.rows["silver.image_features"] == 8
    carry_out(lake, Selection(labels=frozenset({"Banana"})))
    assert not traces(lake, gone)["id"]


def test_labels_with_odd_characters_go_too(built: Lake, tmp_path: Path) -> None:
    lake = Lake(built.photos, tmp_path / "lake", built.cache)
    shutil.copytree(built.path, lake.path)
    carry_out(lake, Selection(labels=frozenset(AWKWARD_LABELS)))
    assert counts(lake)["gold.fruit_vectors"] == 24
    gold = lake.catalog.current("gold.fruit_vectors")
    assert gold is not None and set(gold.partitions) == {*LABELS}
    for file in lake.path.rglob("*"):
        data = file.read_bytes().decode(errors="replace") if file.is_file() else ""
        if file.suffix == ".parquet":
            data += repr(pq.read_table(file, partitioning=None).to_pydict())
        assert not [label for label in AWKWARD_LABELS[:3] if label in data or label in file.name], file


def test_a_rejected_file_goes_by_its_path(lake: Lake) -> None:
    broken = str(lake.photos / "Banana" / "broken.jpg")
    before = counts(lake)
    carry_out(lake, Selection(source_paths=frozenset({broken})))
    assert counts(lake) == before | {"bronze.quarantine": 0}
    assert not [
        p for p in lake.path.rglob("*.parquet") if broken in repr(pq.read_table(p, partitioning=None).to_pydict())
    ]


def test_what_killed_runs_left_on_this_machine_goes_and_what_spark_said(lake: Lake, tmp_path: Path) -> None:
    gone = photos(lake, "Banana")[0]
    killed = Path(tempfile.mkdtemp(prefix="fruitlake-spark-"))
    (killed / "rdd_7_0").write_bytes(gone.content)
    log = log_file(lake.settings())
    log.write_text(f"while reading {gone.path}")
    carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert not killed.exists()
    assert not log.exists()


def test_what_stops_an_erasure_is_said_with_the_next_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = photos(lake, "Kiwi Half")[0]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(erasure_module, "without_photos", full)
    with pytest.raises(CatalogError, match=r"not complete .*No space left.*fruitlake erase --resume .* no run starts"):
        carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert len(pending(str(lake.path))) == 1


def test_a_source_that_cannot_be_asked_may_still_have_the_file(aws: AwsServer) -> None:
    bucket = aws.make_bucket("source")
    aws.s3.put_object(Bucket=bucket, Key="Kiwi/1.jpg", Body=b"")
    paths = ("s3://source/Kiwi/1.jpg", "s3://source/Kiwi/2.jpg", "s3://closed/Kiwi/1.jpg")
    assert to_erase._still_there(paths) == (paths[0], paths[2])


def test_no_report_is_written_while_photos_are_erased(lake: Lake) -> None:
    with alone(str(lake.path)), pytest.raises(BusyError, match="photos are erased"):
        report_lake(lake.settings(), lake.catalog, QUIET)


def days_later(monkeypatch: pytest.MonkeyPatch, batch: str, days: int) -> None:
    """It is that many days after the batch was begun."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:
            begun = datetime.strptime(batch[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return cls.fromtimestamp((begun + timedelta(days=days)).timestamp(), UTC)

    monkeypatch.setattr(to_erase, "datetime", Later)


def test_batches_go_when_they_are_too_old(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    images = lake.catalog.current("bronze.images")
    assert images is not None
    first, second = sorted(images.partitions)
    assert outdated(lake.catalog, lake.settings()) == Selection()
    assert outdated(lake.catalog, lake.settings(photos_days=1)) == Selection()
    days_later(monkeypatch, second, 1)
    old = outdated(lake.catalog, lake.settings(photos_days=1, quarantine_days=1))
    assert old.batches == {first}
    monkeypatch.undo()
    carry_out(lake, old)
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 6


def test_features_may_be_kept_longer_than_their_photos(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    images = lake.catalog.current("bronze.images")
    assert images is not None
    first, second = sorted(images.partitions)
    before, gone = counts(lake), photos(lake, "Banana")[0]
    limits = lake.settings(photos_days=1, features_days=3)
    days_later(monkeypatch, second, 2)
    old = outdated(lake.catalog, limits)
    assert old == Selection(photo_batches=frozenset({first, second}))
    carry_out(lake, old)
    assert counts(lake) == before | {"bronze.images": 0}
    assert not traces(lake, gone)["bytes"] and not traces(lake, gone)["path"]
    again = Lake(lake.path.parent / "newer photos", lake.path, lake.cache)
    write_sample_photos(again.photos, per_label=1, size=80, labels=LABELS, workers=1)
    again.run()
    rows = counts(lake)
    assert (rows["bronze.images"], rows["silver.image_features"], rows["gold.fruit_vectors"]) == (3, 27, 27)
    days_later(monkeypatch, second, 3)
    old = outdated(lake.catalog, limits)
    assert old.feature_batches == {first}
    carry_out(lake, old)
    assert not any(traces(lake, gone).values())
    rows = counts(lake)
    assert rows["silver.image_features"] == rows["gold.fruit_vectors"] == 6 + 3


def test_photos_cannot_be_kept_longer_than_their_features(lake: Lake) -> None:
    for photos_days in (None, 4):
        with pytest.raises(SettingsError, match=r"FEATURES_DAYS is 3, .* set FRUITLAKE_PHOTOS_DAYS to at most 3"):
            outdated(lake.catalog, lake.settings(photos_days=photos_days, features_days=3))


def test_a_photo_that_only_another_snapshot_has_goes_too(lake: Lake) -> None:
    first = lake.catalog.history("bronze.images")[-1]
    gone = photos(lake, "Banana")[7]  # of the second batch
    for table in ("bronze.images", "silver.image_features"):
        lake.catalog.rollback(table, lake.catalog.history(table)[-1].id)
    assert gone not in photos(lake, "Banana")
    carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert not any(traces(lake, gone).values())
    images = lake.catalog.current("bronze.images")
    assert images is not None and images.rows == first.rows
