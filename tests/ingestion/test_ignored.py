"""Files that are not photos by their path are ignored, not quarantined, on disk and in a bucket."""

from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from catalog.errors import SourceError
from ingestion.ignored import why_ignored
from ingestion.reading import CHECKED_SCHEMA, check_files
from ingestion.source import check_source, list_source
from ingestion.walk import Source
from tests.aws import AwsServer
from tests.hostile import write_hostile
from tests.photos import photo

IGNORED = [
    "Pear/.ipynb_checkpoints/1-checkpoint.jpg",
    "Pear/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "@EADIR/1.jpg",
    ".thumbnails/Pear/1.jpg",
    "Pear/.Trash-1000/files/1.jpg",
    "#recycle/Pear/1.jpg",
    "@Recycle/Pear/1.jpg",
    "__MACOSX/Pear/._1.jpg",
    "__macosx/Pear/1.jpg",
    "lost+found/1.jpg",
    "$RECYCLE.BIN/S-1-5-21/$R1.jpg",
    "System Volume Information/1.jpg",
    "Pear_$folder$",
    "Pear/Kiwi_$FOLDER$",
    "Pear/._1.jpg",
    "Pear/.hidden.jpg",
    "Pear/.DS_Store",
    "Pear/.ds_store",
    "Pear/.gitkeep",
    "Pear/Thumbs.db",
    "Pear/THUMBS.DB",
    "Pear/ehthumbs_vista.db",
    "Pear/desktop.ini",
    "Pear/Desktop.ini",
    "Pear/Picasa.INI",
    "Pear/_SUCCESS",
    "README",
    *(f"Pear/1.{end}" for end in ("txt", "csv", "json", "xml", "md", "xmp", "XMP", "aae", "MOV", "html", "yaml")),
    "Pear/1.jpg.json",
]
PHOTOS = ["1.jpg", "Pear/1.JPG", "Pear/no suffix", "Apple@home/1.jpg", "#1/1.jpg", "$5/1.jpg", "_/1.jpg", "Trash/1.jpg"]


@pytest.mark.parametrize("path", IGNORED)
def test_what_systems_and_programs_leave_is_ignored(path: str) -> None:
    assert why_ignored(path)


@pytest.mark.parametrize("path", [*PHOTOS, "a/../1.jpg", "a/./1.jpg", "Pear/fake.jpg.exe", "Pear/1.pdf"])
def test_what_may_be_a_photo_is_not(path: str) -> None:
    assert why_ignored(path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("Pear/@eaDir/1.jpg", "Synology's folder @eaDir"),
        (".thumbnails/1.jpg", "hidden folder .thumbnails"),
        ("Pear/._1.jpg", "hidden file"),
        ("Pear/1.XMP", "side-car"),
        ("Pear/notes.txt", "text file"),
    ],
)
def test_the_rule_is_named(path: str, why: str) -> None:
    assert why_ignored(path) == why


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        (["*.jpg"], [], {"Pear/1.JPG", "Training/Plum/2.jpg"}),
        ([], ["*.gif"], {"Pear/1.JPG", "Training/Plum/2.jpg"}),
        ([], ["training"], {"Pear/1.JPG", "Pear/3.gif"}),
        ([], ["Training/*"], {"Pear/1.JPG", "Pear/3.gif"}),
        (["P*"], ["*.gif", "Plum"], {"Pear/1.JPG"}),
        (["Training/Plum/*.jpg"], [], {"Training/Plum/2.jpg"}),
    ],
)
def test_globs_decide_the_rest(include: list[str], exclude: list[str], taken: set[str]) -> None:
    paths = ["Pear/1.JPG", "Pear/3.gif", "Training/Plum/2.jpg", "Pear/.hidden.jpg"]
    assert {path for path in paths if why_ignored(path, include, exclude) is None} == taken
    assert why_ignored("Pear/3.gif", exclude=["*.png", "*.gif"]) == "--exclude *.gif"
    assert why_ignored("Pear/3.gif", include=["*.png"]) == "not in --include"


def put(root: Path, *paths: str, data: bytes = b"photo") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def test_a_listing_marks_ignored_files_and_gives_no_label_to_their_folders(spark: SparkSession, tmp_path: Path) -> None:
    root = tmp_path / ".photos"  # folders above the source do not count
    put(root, *(path for path in IGNORED if path.casefold() not in {"@eadir/1.jpg", "__macosx/pear/1.jpg"}), *PHOTOS)
    rows = {r.source_path.removeprefix(f"{root}/"): r for r in list_source(spark, Source(str(root))).collect()}
    assert {path for path, row in rows.items() if row.ignored is None} == set(PHOTOS)
    labels = {row.label for row in rows.values() if row.ignored is None}
    assert labels == {"Pear", "Apple@home", "#1", "$5", "_", "Trash", None}  # None: the source itself is hidden
    with_globs = list_source(spark, Source(str(root), include=("*.jpg",), exclude=("Trash",)))
    taken = {r.source_path.removeprefix(f"{root}/") for r in with_globs.where("ignored IS NULL").collect()}
    assert taken == set(PHOTOS) - {"Pear/no suffix", "Trash/1.jpg"}


def test_a_source_of_nothing_but_ignored_files_says_so(tmp_path: Path) -> None:
    put(tmp_path, "Pear/notes.txt", "Pear/.DS_Store", ".thumbnails/1.jpg")
    with pytest.raises(SourceError, match=r"holds no photos \(3 ignored: 1 .*, 1 "):
        check_source(Source(str(tmp_path)))
    put(tmp_path, "Pear/1.jpg")
    check_source(Source(str(tmp_path)))
    with pytest.raises(SourceError, match="1 not in --include"):
        check_source(Source(str(tmp_path), include=("*.png",)))
    with pytest.raises(SourceError, match=r"1 --exclude \*\.jpg"):
        check_source(Source(str(tmp_path), exclude=("*.jpg",)))


def test_a_folder_marker_in_a_bucket_is_ignored(spark: SparkSession, aws: AwsServer) -> None:
    root = f"s3://{aws.make_bucket('photos')}/Training"
    for key, data in (("Pear", b""), ("Pear/1.jpg", b"1"), ("Kiwi/", b""), ("Kiwi/2.jpg", b"2"), ("Plum", b"3")):
        aws.s3.put_object(Bucket="photos", Key=f"Training/{key}", Body=data)
    aws.s3.put_object(Bucket="photos", Key="Training/Plum/3.jpg", Body=b"4")
    rows = list_source(spark, Source(root)).collect()
    assert {r.source_path.removeprefix(f"{root}/"): r.ignored for r in rows} == {
        "Pear": "folder marker",
        "Pear/1.jpg": None,
        "Kiwi/2.jpg": None,
        "Plum": None,
        "Plum/3.jpg": None,
    }


def test_a_bucket_and_a_disk_of_the_same_files_are_read_alike(
    spark: SparkSession, aws: AwsServer, tmp_path: Path
) -> None:
    """Hostile files in five folders, system files and 40 good photos get the same outcome, file by file."""
    disk, bucket = tmp_path / "photos", f"s3://{aws.make_bucket('alike')}/photos"
    for label in ("Pêche d'été", "a+b %41", "🍎", "@eaDir", "Kiwi/#recycle"):
        write_hostile(disk / label)
    for number in range(40):
        put(disk, f"Good {number % 7}/{number}.jpg", data=photo(number))
    put(disk, *(path for path in IGNORED if path.casefold() not in {"@eadir/1.jpg", "__macosx/pear/1.jpg"}))
    for path in disk.rglob("*"):
        if path.is_symlink() or (path.is_dir() and not any(path.iterdir())):  # buckets have neither
            path.unlink() if path.is_symlink() else path.rmdir()
        elif path.is_file():
            path.chmod(0o644)
            aws.s3.put_object(Bucket="alike", Key=f"photos/{path.relative_to(disk)}", Body=path.read_bytes())

    def fates(root: str) -> dict[str, tuple[str | None, ...]]:
        listing = list_source(spark, Source(root))
        ignored = listing.where("ignored IS NOT NULL").collect()
        checked = listing.where("ignored IS NULL").mapInArrow(check_files, CHECKED_SCHEMA).collect()
        return {r.source_path.removeprefix(root): fate(r) for r in [*ignored, *checked]}

    def fate(row: Row) -> tuple[str | None, ...]:
        told = row.asDict()
        return told.get("ignored"), row.label, told["reason"], told.get("image_id")

    on_disk = fates(str(disk))
    assert fates(bucket) == on_disk
    kinds = Counter("ignored" if why else reason or "good" for why, _, reason, _ in on_disk.values())
    assert kinds["good"] >= 40 and kinds["truncated"] > 60 and kinds["ignored"] > 100
