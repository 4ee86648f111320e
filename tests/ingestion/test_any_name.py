"""Files with arbitrary names are listed once, with the folder's name as label or with a reason."""

import os
import tempfile
from pathlib import Path
from urllib.parse import unquote_plus

from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from ingestion.photo import Rejected
from ingestion.reading import _check_label, partition_folder
from ingestion.walk import walk_local

NAMES = st.binary(min_size=1, max_size=40).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b".."))


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=300))
def test_a_label_is_refused_or_comes_back_from_its_folder(label: str) -> None:
    try:
        _check_label(label)
    except (Rejected, UnicodeEncodeError) as refused:  # the listing already rejects lone surrogates
        assert isinstance(refused, Rejected) or any("\ud800" <= c <= "\udfff" for c in label)
        return
    folder = partition_folder(label)
    assert "/" not in folder and len(folder.encode()) <= 255
    assert unquote_plus(folder.removeprefix("label=")) == label


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(st.tuples(NAMES, NAMES), max_size=6))
def test_every_file_of_a_tree_is_listed_once(names: list[tuple[bytes, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        made = set()
        for folder, name in names:
            place = os.path.join(os.fsencode(root), folder)
            try:
                os.makedirs(place, exist_ok=True)
                Path(os.fsdecode(os.path.join(place, name))).write_bytes(b"x")
            except OSError:  # the name is already taken by a file or folder
                continue
            made.add((folder, name))
        listed = list(walk_local(root, deep=True))
        assert len({f.source_path for f in listed}) == len(listed)
        for folder, name in made:
            path = os.fsdecode(os.path.join(os.fsencode(root), folder, name))
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            folder_shown = os.path.dirname(shown)
            here = [f for f in listed if f.source_path in (shown, folder_shown)]
            assert len(here) == 1
            assert all(f.reason is None or f.detail for f in here)


def test_a_folder_is_named_as_iceberg_names_it(spark: SparkSession) -> None:
    ascii_ = "".join(chr(code) for code in range(1, 128))
    assert spark.sparkContext._jvm is not None
    encoder = spark.sparkContext._jvm.java.net.URLEncoder
    for label in (ascii_, "Pêche d'été 🍎", "\x80\x9f\u00a0\u2028", "%41%zz", ".", "/"):
        assert partition_folder(label) == f"label={encoder.encode(label, 'UTF-8')}"
