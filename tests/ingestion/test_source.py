"""Every file of a tree is listed once, with its label or the reason why it cannot be read."""

import os
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from catalog.errors import SourceError
from ingestion.source import check_source, list_source
from ingestion.walk import Source, walk_local


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def put(path: Path, data: bytes = b"photo") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def listed(spark: SparkSession, root: Path) -> dict[str, Row]:
    """The listing, by path below the root; fails if a path is listed twice."""
    rows = list_source(spark, Source(str(root))).collect()
    by_path = {row.source_path.removeprefix(f"{root}/"): row for row in rows}
    assert len(by_path) == len(rows)
    return by_path


def labels(rows: dict[str, Row]) -> dict[str, str]:
    return {path: row.label for path, row in rows.items()}


def reasons(rows: dict[str, Row]) -> dict[str, tuple[str, str]]:
    return {path: (row.reason, row.detail) for path, row in rows.items() if row.reason is not None}


def test_a_label_is_the_parent_folder_however_deep(spark: SparkSession, root: Path) -> None:
    put(root / "Pear" / "1.jpg")
    put(root / "Training" / "Apple Braeburn" / "1.jpg")
    put(root / "Training" / "Apple Braeburn" / "turned" / "2.jpg")
    put(root / "in the root.jpg")
    (root / "Empty" / "Emptier").mkdir(parents=True)
    rows = listed(spark, root)
    assert labels(rows) == {
        "Pear/1.jpg": "Pear",
        "Training/Apple Braeburn/1.jpg": "Apple Braeburn",
        "Training/Apple Braeburn/turned/2.jpg": "turned",
        "in the root.jpg": "photos",
    }
    assert not reasons(rows)


def test_size_and_time_of_change_are_those_of_the_file(spark: SparkSession, root: Path) -> None:
    put(root / "Pear" / "1.jpg", b"12345")
    changed = datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)
    os.utime(root / "Pear" / "1.jpg", (0, changed.timestamp()))
    query = "size", "CAST(source_modified_at AS string) AS changed"
    [row] = list_source(spark, Source(str(root))).selectExpr(*query).collect()
    assert (row.size, row.changed) == (5, "2024-02-29 12:30:15.123456")


def test_a_wide_and_deep_tree_is_listed_once(spark: SparkSession, root: Path) -> None:
    """There are more folders than the driver distributes, so the tasks walk the rest."""
    for number in range(300):
        put(root / f"set {number % 3}" / f"label {number}" / f"{number}.jpg")
        if number % 50 == 0:
            put(root / f"set {number % 3}" / f"label {number}" / "more" / "deeper" / "x.jpg")
    rows = listed(spark, root)
    assert len(rows) == 306
    assert rows["set 1/label 250/more/deeper/x.jpg"].label == "deeper"


def test_names_of_every_kind_are_listed(spark: SparkSession, root: Path) -> None:
    names = ["new\nline", "🍎", "trailing ", " leading", "Pêche d'été", "100% #1", '"quoted"', "back\\slash"]
    for name in names:
        put(root / name / f"{name}.jpg")
    rows = listed(spark, root)
    assert labels(rows) == {f"{name}/{name}.jpg": name for name in names}
    assert not reasons(rows)


def test_names_that_are_not_utf8_are_reported(spark: SparkSession, root: Path) -> None:
    put(root / "Pear" / "good.jpg")
    put(root / "Pear" / os.fsdecode(b"bad \xff.jpg"))
    put(root / os.fsdecode(b"P\xeache") / "lost.jpg")
    put(root / os.fsdecode(b"P\xeache") / "lost too.jpg")
    rows = listed(spark, root)
    why = ("unreadable source", "its path is not UTF-8: rename it")
    assert reasons(rows) == {r"Pear/bad \xff.jpg": why, r"P\xeache": why}
    assert labels(rows)["Pear/good.jpg"] == "Pear"


def test_links_are_followed_and_broken_ones_reported(spark: SparkSession, root: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "1.jpg")
    put(tmp_path / "single.jpg", b"123")
    (root / "Pear").symlink_to(tmp_path / "elsewhere")
    (root / "Plum").mkdir()
    (root / "Plum" / "linked.jpg").symlink_to(tmp_path / "single.jpg")
    (root / "Plum" / "broken.jpg").symlink_to(tmp_path / "nowhere")
    rows = listed(spark, root)
    assert labels(rows) == {"Pear/1.jpg": "Pear", "Plum/linked.jpg": "Plum", "Plum/broken.jpg": "Plum"}
    assert rows["Plum/linked.jpg"].size == 3
    assert reasons(rows) == {"Plum/broken.jpg": ("unreadable source", "No such file or directory")}


def test_circles_of_links_end(spark: SparkSession, root: Path) -> None:
    put(root / "Pear" / "1.jpg")
    put(root / "Plum" / "2.jpg")
    (root / "Pear" / "up").symlink_to(root)
    (root / "Pear" / "other").symlink_to(root / "Plum")
    (root / "Plum" / "other").symlink_to(root / "Pear")
    (root / "itself.jpg").symlink_to(root / "itself.jpg")
    (root / "one.jpg").symlink_to(root / "two.jpg")
    (root / "two.jpg").symlink_to(root / "one.jpg")
    rows = listed(spark, root)
    assert labels(rows) == {
        "Pear/1.jpg": "Pear",
        "Plum/2.jpg": "Plum",
        "Pear/other/2.jpg": "other",
        "Plum/other/1.jpg": "other",
        "itself.jpg": "photos",
        "one.jpg": "photos",
        "two.jpg": "photos",
    }
    walked = [row.source_path for row in islice(walk_local(str(root), deep=True), 100)]  # in case of endless recursion
    assert sorted(walked) == sorted(f"{root}/{path}" for path in rows)
    circular = ("unreadable source", "Too many levels of symbolic links")
    assert reasons(rows) == {name: circular for name in ("itself.jpg", "one.jpg", "two.jpg")}


def test_what_is_no_photo_file_is_reported_or_ignored(spark: SparkSession, root: Path) -> None:
    put(root / "Pear" / "1.jpg")
    put(root / "Pear" / "notes.pdf")  # not a system file, so bronze reports that it is not an image
    ignored = {"Pear/.DS_Store", "Pear/Thumbs.db", "Pear/desktop.ini", "Pear/_SUCCESS", "Pear/._1.jpg"}
    for path in ignored:
        put(root / path)
    (root / "Pear" / "folder.JPG").mkdir()
    put(root / "Pear" / "full.jpg" / "2.jpg")
    os.mkfifo(root / "Pear" / "pipe.jpg")
    rows = listed(spark, root)
    assert {path for path, row in rows.items() if row.ignored} == ignored
    assert {path: row.label for path, row in rows.items() if path not in ignored} == {
        "Pear/1.jpg": "Pear",
        "Pear/notes.pdf": "Pear",
        "Pear/folder.JPG": "Pear",
        "Pear/full.jpg/2.jpg": "full.jpg",
        "Pear/pipe.jpg": "Pear",
    }
    assert reasons(rows) == {
        "Pear/folder.JPG": ("not an image", "an empty folder named like a photo"),
        "Pear/pipe.jpg": ("unreadable source", "neither a file nor a folder"),
    }


def test_a_folder_that_goes_away_is_reported(tmp_path: Path) -> None:
    """As for a task whose folder was deleted meanwhile."""
    [row] = walk_local(str(tmp_path / "Pear"), deep=True)
    assert (row.label, row.reason, row.detail) == (tmp_path.name, "unreadable source", "No such file or directory")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="most file systems cannot hold such a time")
def test_a_time_of_change_beyond_the_calendar_is_unknown() -> None:
    file = Path("/dev/shm") / f"fruitlake-{os.getpid()}" / "1.jpg"
    put(file)
    try:
        os.utime(file, (10**12, 10**12))
        if file.stat().st_mtime != 10**12:
            pytest.skip("this file system cannot hold such a time")
        [row] = walk_local(str(file.parent), deep=True)
        assert (row.source_modified_at, row.reason) == (None, None)
    finally:
        file.unlink()
        file.parent.rmdir()


def test_a_folder_with_a_photo_somewhere_is_a_source(root: Path) -> None:
    put(root / "a" / "b" / "c" / "1.jpg")
    check_source(Source(str(root)))


def test_what_is_no_source_is_refused_with_the_next_step(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no '.*/nowhere': give --images a folder of photos"):
        check_source(Source(str(tmp_path / "nowhere")))
    put(tmp_path / "1.jpg")
    with pytest.raises(SourceError, match=r"'.*/1\.jpg' is a file: give --images the folder"):
        check_source(Source(str(tmp_path / "1.jpg")))
    (root / "Pear").mkdir()
    put(root / "Pear" / ".DS_Store")
    with pytest.raises(SourceError, match=r"'.*/photos' holds no photos \(1 ignored: 1 hidden file\): give --images"):
        check_source(Source(str(root)))
    with pytest.raises(SourceError, match=r"P\\xeache' is not UTF-8.*rename the folder"):
        check_source(Source(str(tmp_path / os.fsdecode(b"P\xeache"))))
