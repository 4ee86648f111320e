"""A source without new files is distinguished from one with new files, file by file."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from ingestion.counts import UNSETTLED, VERSION, Counts, known_counts
from ingestion.walk import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    for name in ("Kiwi/1.jpg", "Kiwi/2.jpg", "Plum/bad.jpg", "Plum/Thumbs.db"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return Source(str(tmp_path))


def tables(source: Source, reason: str = "not an image") -> tuple[pa.Table, pa.Table]:
    """Both bronze tables after a run on the source."""
    schema = pa.schema(
        [("source_path", pa.string()), ("size", pa.int64()), ("source_modified_at", pa.timestamp("us", tz="UTC"))]
    )
    rows = [file._asdict() for file in source.walk(source.root, deep=True) if file.ignored is None]
    stored = [{name: row[name] for name in VERSION} for row in rows]
    rejected = [row | {"reason": reason} for row in stored if "bad" in str(row["source_path"])]
    good = [row for row in stored if "bad" not in str(row["source_path"])]
    return pa.Table.from_pylist(good, schema), pa.Table.from_pylist(
        rejected, schema.append(pa.field("reason", pa.string()))
    )


def test_every_file_known(source: Source) -> None:
    assert known_counts(source, *tables(source)) == Counts(3, 0, 2, 0, 1, 0, 0, 1)


def test_a_file_that_could_not_be_read_is_tried_again(source: Source) -> None:
    assert known_counts(source, *tables(source, UNSETTLED)) is None


@pytest.mark.parametrize("change", ["another", "longer", "later", "moved"])
def test_one_new_version_of_a_file(source: Source, change: str) -> None:
    known = tables(source)
    path = Path(source.root) / "Kiwi" / "1.jpg"
    if change == "another":
        (path.parent / "3.jpg").touch()
    elif change == "longer":
        before = path.stat()
        path.write_bytes(path.read_bytes() + b"!")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "later":
        os.utime(path, (1, 1))
    else:
        path.rename(Path(source.root) / "Plum" / "1.jpg")
    assert known_counts(source, *known) is None


def test_a_source_without_photos_is_a_fault(source: Source) -> None:
    assert known_counts(source._replace(exclude=("*",)), *tables(source)) is None
