"""Every file of a source is stored, known, relabelled, quarantined or a conflict; known files are not read again."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from catalog.blocklist import BlockList, _salted
from catalog.tables import IMAGES, QUARANTINE, Table
from ingestion.admission import image_id_of
from ingestion.bronze import Ingestion
from ingestion.counts import Conflict, Counts
from ingestion.metadata import strip
from ingestion.photo import MAX_BYTES
from ingestion.walk import Source
from tests.photos import encode, orientation, photo, picture

SALTED = (("salt", 2), ("another", 5))
BATCH = "20260314T092653-1a2b"


def counts(**given: int) -> Counts:
    """The counts given, and 0 for all others; found is their sum."""
    total = {field.name: 0 for field in fields(Counts)} | given
    return Counts(**total | {"found": sum(given.values()) - given.get("ignored", 0)})


@dataclass(frozen=True)
class Pass:
    images: list[Row]
    quarantine: list[Row]
    counts: Counts
    corrections: tuple[Row, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def stored(self) -> dict[str, str]:
        """The labels of the stored photos, by file name."""
        return {Path(row.source_path).name: row.label for row in self.images}

    @property
    def reasons(self) -> dict[str, str]:
        return {Path(row.source_path).name: row.reason for row in self.quarantine}


def ingest(spark: SparkSession, source: Path, *before: Pass, block_lists: Sequence[BlockList] = ()) -> Pass:
    """Ingest the source into a lake that has the rows of the given passes."""
    images = [row for earlier in before for row in earlier.images]
    quarantine = [row for earlier in before for row in earlier.quarantine]
    ingestion = Ingestion(
        spark,
        Source(str(source)),
        _table(spark, IMAGES, images) if before else None,
        _table(spark, QUARANTINE, quarantine) if before else None,
        BATCH,
        lambda title, total: nullcontext(),
        block_lists=block_lists,
    )
    stored, rejected = ingestion.images(), ingestion.quarantine()
    new = stored.collect() if stored else [], rejected.collect() if rejected else []
    corrections = ingestion.corrections()
    moved = tuple(corrections.collect()) if corrections else ()
    done = Pass(*new, ingestion.counts, moved, tuple(ingestion.conflicts()))
    ingestion.close()
    assert done.counts.stored == len(done.images)
    return done


def _table(spark: SparkSession, table: Table, rows: list[Row]) -> DataFrame:
    return spark.createDataFrame([tuple(row[column.name] for column in table.columns) for row in rows], table.ddl)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_photo_is_stored_without_its_metadata_and_with_its_facts(spark: SparkSession, source: Path) -> None:
    turned = encode(picture(size=(60, 40)), exif=orientation(6), comment=b"Ada's")
    put(source / "Pêche d'été" / "1.jpg", turned)
    first = ingest(spark, source)
    [row] = first.images
    assert row.asDict().keys() == {c.name for c in IMAGES.columns}
    assert bytes(row.content) == strip(turned) != turned
    assert row.image_id == hashlib.sha256(row.content).hexdigest()
    assert (row.width, row.height, row.size) == (40, 60, len(turned))
    assert (row.label, row.source_path) == ("Pêche d'été", str(source / "Pêche d'été" / "1.jpg"))
    assert row.ingested_at is not None and row.source_modified_at is not None
    assert row.batch == BATCH
    assert first.counts == counts(stored=1)


def test_every_file_is_stored_known_a_conflict_or_quarantined(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "good.jpg", photo(1))
    put(source / "Pear" / "good.png", photo(2, "PNG"))
    put(source / "Pear" / "good without suffix", photo(3, "WEBP"))
    put(source / "Pear" / "z same.jpg", photo(1))
    put(source / "Plum" / "same.jpg", photo(1))
    put(source / "Pear" / "empty.jpg", b"")
    put(source / "Pear" / "notes.jpg", b"an apple a day")
    put(source / "Pear" / "cut.jpg", photo(4)[:500])
    put(source / "Pear" / "tiny.jpg", photo(5, size=(31, 31)))
    put(source / "Pear" / "huge.jpg", b"")
    os.truncate(source / "Pear" / "huge.jpg", MAX_BYTES + 1)  # a sparse file, which takes no space
    (source / "Pear" / "broken.jpg").symlink_to("nowhere")
    (source / "Pear" / "folder.jpg").mkdir()
    put(source / os.fsdecode(b"Pear \xff") / "lost.jpg", photo(6))
    put(source / " " / "blank.jpg", photo(7))

    first = ingest(spark, source)
    assert first.stored == {"good.jpg": "Pear", "good.png": "Pear", "good without suffix": "Pear"}
    assert first.reasons == {
        "empty.jpg": "empty",
        "notes.jpg": "not an image",
        "cut.jpg": "truncated",
        "tiny.jpg": "too small",
        "huge.jpg": "too large",
        "broken.jpg": "unreadable source",
        "folder.jpg": "not an image",
        r"Pear \xff": "unreadable source",
        "blank.jpg": "label missing",
    }
    assert all(row.detail for row in first.quarantine)
    assert {c.name for c in QUARANTINE.columns} == first.quarantine[0].asDict().keys()
    assert {row.batch for row in first.quarantine} == {BATCH}
    assert first.counts == counts(stored=3, known=1, conflicts=1, quarantined=9)

    second = ingest(spark, source, first)
    assert (second.stored, second.reasons) == ({}, {})
    assert second.counts == counts(known=4, conflicts=1, quarantined=9)


def test_new_photos_of_a_known_source_are_added(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "1.jpg", photo(1))
    first = ingest(spark, source)
    put(source / "Pear" / "2.jpg", photo(2))
    put(source / "Kiwi" / "known.jpg", photo(1))
    put(source / "Kiwi" / "bad.jpg", b"bad")
    second = ingest(spark, source, first)
    assert second.stored == {"2.jpg": "Pear"}
    assert second.reasons == {"bad.jpg": "not an image"}
    assert second.counts == counts(stored=1, known=1, conflicts=1, quarantined=1)


def test_a_file_that_changed_is_read_again(spark: SparkSession, source: Path) -> None:
    one, other = photo(1, "PNG"), photo(2, "PNG")
    assert len(one) == len(other)  # so that replaced.png differs in its time only
    before = {"mended.png": b"bad", "broken.png": photo(3), "replaced.png": one, "touched.png": photo(4)}
    after = {"mended.png": photo(5), "broken.png": b"bad", "replaced.png": other, "touched.png": photo(4)}
    for name, data in before.items():
        put(source / "Pear" / name, data)
    first = ingest(spark, source)
    assert first.counts == counts(stored=3, quarantined=1)
    for name, data in after.items():
        put(source / "Pear" / name, data)
        os.utime(source / "Pear" / name, (0, 1_000_000_000))
    second = ingest(spark, source, first)
    assert second.stored == {"mended.png": "Pear", "replaced.png": "Pear"}
    assert second.reasons == {"broken.png": "not an image"}
    assert second.counts == counts(stored=2, known=1, quarantined=1)


def test_a_photo_that_has_moved_is_labelled_by_its_new_folder(spark: SparkSession, source: Path) -> None:
    for seed, name in enumerate(("moved.jpg", "renamed.jpg", "stays.jpg")):
        put(source / "Pear" / name, photo(seed))
    first = ingest(spark, source)
    (source / "Kiwi").mkdir()
    (source / "Pear" / "moved.jpg").rename(source / "Kiwi" / "moved.jpg")
    (source / "Pear" / "renamed.jpg").rename(source / "Pear" / "other name.jpg")
    second = ingest(spark, source, first)
    assert second.counts == counts(relabelled=1, known=2)
    assert (second.images, second.conflicts) == ([], ())
    ids = {Path(row.source_path).name: row.image_id for row in first.images}
    found = {row.image_id: (row.label, row.source_path) for row in second.corrections}
    assert found == {
        ids["moved.jpg"]: ("Kiwi", str(source / "Kiwi" / "moved.jpg")),
        ids["renamed.jpg"]: ("Pear", str(source / "Pear" / "other name.jpg")),
    }


def test_a_photo_under_two_labels_keeps_the_one_it_has(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "1.jpg", photo(1))
    first = ingest(spark, source)
    put(source / "Apple" / "1.jpg", photo(1))
    second = ingest(spark, source, first)
    assert second.counts == counts(known=1, conflicts=1)
    assert second.conflicts == (Conflict(str(source / "Apple" / "1.jpg"), "Apple", "Pear"),)
    assert (second.images, second.corrections) == ([], ())


def test_what_is_no_photo_is_counted_apart(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "1.jpg", photo(1))
    put(source / ".thumbnails" / "1.jpg", photo(2))
    only = ingest(spark, source)
    assert only.counts == counts(stored=1, ignored=1)
    assert only.counts.found == 1


def test_a_blocked_photo_is_counted_and_nowhere_written_down(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "1.jpg", photo(1))
    put(source / "Pear" / "blocked.jpg", photo(2))
    put(source / "Kiwi" / "its copy.jpg", encode(picture(2), comment=b"Ada's"))
    put(source / "Kiwi" / "bad.jpg", b"bad")
    lists = tuple(BlockList(salt, frozenset({_salted(salt, image_id_of(photo(seed)))})) for salt, seed in SALTED)
    only = ingest(spark, source, block_lists=lists)
    assert (only.stored, only.reasons) == ({"1.jpg": "Pear"}, {"bad.jpg": "not an image"})
    assert only.counts == counts(stored=1, quarantined=1, blocked=2)
    again = ingest(spark, source, only, block_lists=lists)
    assert (again.stored, again.reasons, again.counts) == ({}, {}, counts(known=1, quarantined=1, blocked=2))


def test_a_label_must_fit_into_a_folder_name(spark: SparkSession, source: Path) -> None:
    fits, too_long, escaped, accented = "L" * 249, "L" * 250, "#" * 84, "é" * 42  # # becomes %23, é %C3%A9
    for seed, label in enumerate((fits, too_long, escaped, accented)):
        put(source / label / f"{seed}.jpg", photo(seed))
    only = ingest(spark, source)
    assert only.stored == {"0.jpg": fits}
    assert only.reasons == dict.fromkeys(("1.jpg", "2.jpg", "3.jpg"), "label missing")
    assert all("over 255" in row.detail for row in only.quarantine)


def test_a_file_that_could_not_be_read_is_tried_again(spark: SparkSession, source: Path) -> None:
    """Fixing a permission changes neither size nor time; a file that is still unreadable is not recorded again."""
    put(source / "Kiwi" / "good.jpg", photo(1))
    (source / "Kiwi" / "broken.jpg").symlink_to("nowhere")
    first = ingest(spark, source)
    [good], [broken] = first.images, first.quarantine
    values = broken.asDict() | {c: good[c] for c in ("source_path", "size", "source_modified_at")}
    denied = Row(**values | {"detail": "Permission denied"})
    second = ingest(spark, source, Pass([], [denied, broken], first.counts))
    assert (second.stored, second.reasons) == ({"good.jpg": "Kiwi"}, {})
    assert second.counts == counts(stored=1, quarantined=1)


def test_the_label_that_gold_would_read_as_null_is_refused(spark: SparkSession, source: Path) -> None:
    put(source / "__HIVE_DEFAULT_PARTITION__" / "1.jpg", photo(1))
    assert ingest(spark, source).reasons == {"1.jpg": "label missing"}
