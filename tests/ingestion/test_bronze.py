"""Every file of a source ends as a new photo, a duplicate, or a quarantined file; known ones are not read again."""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from catalog.tables import IMAGES, QUARANTINE, Table
from ingestion.bronze import Counts, Ingestion
from ingestion.metadata import strip
from ingestion.photo import MAX_BYTES
from ingestion.reading import partition_value
from tests.photos import encode, orientation, photo, picture


@dataclass(frozen=True)
class Pass:
    images: list[Row]
    quarantine: list[Row]
    counts: Counts

    @property
    def stored(self) -> dict[str, str]:
        """The labels of the stored photos by file name."""
        return {Path(row.source_path).name: row.label for row in self.images}

    @property
    def reasons(self) -> dict[str, str]:
        return {Path(row.source_path).name: row.reason for row in self.quarantine}


def ingest(spark: SparkSession, source: Path, *before: Pass) -> Pass:
    """One pass over the source, the rows of the passes before it being what the lake holds."""
    images = [row for earlier in before for row in earlier.images]
    quarantine = [row for earlier in before for row in earlier.quarantine]
    ingestion = Ingestion(
        spark,
        str(source),
        _table(spark, IMAGES, images) if before else None,
        _table(spark, QUARANTINE, quarantine) if before else None,
        lambda title, total: nullcontext(),
    )
    stored, rejected = ingestion.images(), ingestion.quarantine()
    new = stored.collect() if stored else [], rejected.collect() if rejected else []
    ingestion.close()
    return Pass(*new, ingestion.counts(stored=len(new[0])))


def _table(spark: SparkSession, table: Table, rows: list[Row]) -> DataFrame:
    values = [tuple(row[column.name] for column in table.stored) for row in rows]
    return spark.createDataFrame(values, ", ".join(f"{c.name} {c.type}" for c in table.stored))


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
    assert row.asDict().keys() == {c.name for c in IMAGES.columns} - {"batch"}
    assert bytes(row.content) == strip(turned) != turned
    assert row.image_id == hashlib.sha256(row.content).hexdigest()
    assert (row.width, row.height, row.size) == (40, 60, len(turned))
    assert (row.label, row.source_path) == ("Pêche d'été", str(source / "Pêche d'été" / "1.jpg"))
    assert row.ingested_at is not None and row.source_modified_at is not None
    assert first.counts == Counts(inputs=1, stored=1, duplicates=0, quarantined=0)


def test_every_file_is_stored_duplicate_or_quarantined(spark: SparkSession, source: Path) -> None:
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
    os.truncate(source / "Pear" / "huge.jpg", MAX_BYTES + 1)  # sparse: it takes no space
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
    assert {c.name for c in QUARANTINE.columns} == {*first.quarantine[0].asDict(), "batch"}
    assert first.counts == Counts(inputs=14, stored=3, duplicates=2, quarantined=9)

    second = ingest(spark, source, first)
    assert (second.stored, second.reasons) == ({}, {})
    assert second.counts == Counts(inputs=14, stored=0, duplicates=5, quarantined=9)


def test_new_photos_of_a_known_source_are_added(spark: SparkSession, source: Path) -> None:
    put(source / "Pear" / "1.jpg", photo(1))
    first = ingest(spark, source)
    put(source / "Pear" / "2.jpg", photo(2))
    put(source / "Kiwi" / "known.jpg", photo(1))
    put(source / "Kiwi" / "bad.jpg", b"bad")
    second = ingest(spark, source, first)
    assert second.stored == {"2.jpg": "Pear"}
    assert second.reasons == {"bad.jpg": "not an image"}
    assert second.counts == Counts(inputs=4, stored=1, duplicates=2, quarantined=1)


def test_a_file_that_changed_is_read_again(spark: SparkSession, source: Path) -> None:
    one, other = photo(1, "PNG"), photo(2, "PNG")
    assert len(one) == len(other)  # so that only its time tells that replaced.png changed
    before = {"mended.png": b"bad", "broken.png": photo(3), "replaced.png": one, "touched.png": photo(4)}
    after = {"mended.png": photo(5), "broken.png": b"bad", "replaced.png": other, "touched.png": photo(4)}
    for name, data in before.items():
        put(source / "Pear" / name, data)
    first = ingest(spark, source)
    assert first.counts == Counts(inputs=4, stored=3, duplicates=0, quarantined=1)
    for name, data in after.items():
        put(source / "Pear" / name, data)
        os.utime(source / "Pear" / name, (0, 1_000_000_000))
    second = ingest(spark, source, first)
    assert second.stored == {"mended.png": "Pear", "replaced.png": "Pear"}
    assert second.reasons == {"broken.png": "not an image"}
    assert second.counts == Counts(inputs=4, stored=2, duplicates=1, quarantined=1)


def test_a_label_must_fit_into_a_folder_name(spark: SparkSession, source: Path) -> None:
    fits, too_long, escaped = "L" * 249, "L" * 250, "#" * 84  # each # becomes %23
    for seed, label in enumerate((fits, too_long, escaped)):
        put(source / label / f"{seed}.jpg", photo(seed))
    only = ingest(spark, source)
    assert only.stored == {"0.jpg": fits}
    assert only.reasons == {"1.jpg": "label missing", "2.jpg": "label missing"}
    assert all("at most 255 bytes" in row.detail for row in only.quarantine)


def test_a_folder_is_named_as_spark_names_it(spark: SparkSession, tmp_path: Path) -> None:
    ascii_ = "".join(chr(code) for code in range(1, 128))
    labels = [ascii_, "Pêche d'été 🍎", "\x80\x9f\u00a0\u2028", "%41%zz", ".", "/"]
    frame = spark.createDataFrame([(1, label) for label in labels], "n int, label string").coalesce(1)
    frame.write.partitionBy("label").parquet(str(tmp_path / "written"))
    folders = {p.name for p in (tmp_path / "written").iterdir() if p.is_dir()}
    assert folders == {f"label={partition_value(label)}" for label in labels}


def test_a_file_that_could_not_be_read_is_tried_again(spark: SparkSession, source: Path) -> None:
    """Mending a permission changes neither size nor time; still unreadable, it is not written down twice."""
    put(source / "Kiwi" / "good.jpg", photo(1))
    (source / "Kiwi" / "broken.jpg").symlink_to("nowhere")
    first = ingest(spark, source)
    [good], [broken] = first.images, first.quarantine
    values = broken.asDict() | {c: good[c] for c in ("source_path", "size", "source_modified_at")}
    denied = Row(**values | {"detail": "Permission denied"})
    second = ingest(spark, source, Pass([], [denied, broken], first.counts))
    assert (second.stored, second.reasons) == ({"good.jpg": "Kiwi"}, {})
    assert second.counts == Counts(inputs=2, stored=1, duplicates=0, quarantined=1)


def test_the_label_that_gold_would_read_as_null_is_refused(spark: SparkSession, source: Path) -> None:
    put(source / "__HIVE_DEFAULT_PARTITION__" / "1.jpg", photo(1))
    assert ingest(spark, source).reasons == {"1.jpg": "label missing"}
