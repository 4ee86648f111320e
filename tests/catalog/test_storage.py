"""Locations in a lake, and files that are either complete or absent."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.errors import SettingsError
from catalog.storage import (
    delete_folder,
    exists,
    files,
    is_remote,
    local_or_s3,
    normalize,
    read_bytes,
    write_atomically,
    write_object,
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/data/lake", "/data/lake"),
        ("/data/lake//", "/data/lake"),
        ("/data/old/../lake", "/data/lake"),
        ("/data/my lake, 100% #1", "/data/my lake, 100% #1"),
        ("/data/12:30", "/data/12:30"),
        ("file:/data/lake", "/data/lake"),
        ("file:///data/my%20lake/", "/data/my lake"),
        ("s3://bucket/lake/", "s3://bucket/lake"),
        ("s3a://bucket/lake", "s3://bucket/lake"),
        ("s3a://bucket", "s3://bucket"),
    ],
)
def test_a_place_has_one_name(given: str, meant: str) -> None:
    assert normalize(given) == meant
    assert normalize(meant) == meant


def test_relative_places_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    assert normalize("lake") == f"{tmp_path}/lake"
    assert normalize("~/lake") == "/home/ada/lake"


@pytest.mark.parametrize("uri", ["http://example.com/lake", "https://bucket.s3.amazonaws.com/lake", "gs://bucket/lake"])
def test_other_places_are_refused(uri: str) -> None:
    scheme = uri.split("://")[0]
    with pytest.raises(SettingsError, match=f"'{scheme}://' is not .*: give a folder"):
        normalize(uri)


def test_a_file_that_iceberg_names_is_found_by_its_path() -> None:
    assert local_or_s3("file:/data/lake/a%20b.parquet") == "/data/lake/a%20b.parquet"
    assert local_or_s3("/data/lake/a b.parquet") == "/data/lake/a b.parquet"
    assert local_or_s3("s3a://bucket/lake/a.parquet") == "s3://bucket/lake/a.parquet"
    assert is_remote("s3://bucket/lake") and not is_remote("/data/s3://lake")


def test_what_is_written_is_found_and_deleted(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    assert not exists(lake) and files(lake) == {}
    write_object(f"{lake}/b/2.txt", b"two")
    write_object(f"{lake}/a/deep/1.txt", b"one")
    assert read_bytes(f"{lake}/b/2.txt") == b"two"
    assert sorted(files(lake)) == [f"{lake}/a/deep/1.txt", f"{lake}/b/2.txt"]
    delete_folder(f"{lake}/a")
    delete_folder(f"{lake}/never there")
    assert exists(f"{lake}/b") and not exists(f"{lake}/a")


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path) -> None:
    write_object(str(tmp_path / "model.gz"), b"not really gzip")
    assert read_bytes(str(tmp_path / "model.gz")) == b"not really gzip"


@contextmanager
def _files_at_most(size: int) -> Iterator[None]:
    """Limit the size of files that this process can write, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "CURRENT"
    write_atomically(str(file), b"old")
    with _files_at_most(1000), pytest.raises(OSError, match="File too large"):
        write_atomically(str(file), b"new" * 1000)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_in_the_way_leaves_no_other(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(str(tmp_path / "CURRENT"), b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["CURRENT"]


def test_writing_replaces_and_makes_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "CURRENT"
    write_atomically(str(file), b"a longer first version")
    write_atomically(str(file), b"second")
    assert file.read_bytes() == b"second"
    assert list(file.parent.iterdir()) == [file]
