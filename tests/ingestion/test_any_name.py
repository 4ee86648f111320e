"""Whatever folders and files are called: each file is listed once, and a label is a folder's name or a reason."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attach import literal
from ingestion.photo import Rejected
from ingestion.reading import _check_label, partition_value
from ingestion.source import walk_local

NAMES = st.binary(min_size=1, max_size=40).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b".."))


@settings(max_examples=1_000, deadline=None, database=None)
@given(st.text(max_size=300))
def test_a_label_is_refused_or_comes_back_from_its_folder(label: str) -> None:
    try:
        _check_label(label)
    except (Rejected, UnicodeEncodeError) as refused:  # lone surrogates never get here: the listing refuses their path
        assert isinstance(refused, Rejected) or any("\ud800" <= c <= "\udfff" for c in label)
        return
    folder = f"label={partition_value(label)}"
    assert "/" not in folder and len(folder.encode()) <= 255
    assert unquote(folder.removeprefix("label=")) == label


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(max_size=40))
def test_a_literal_ends_where_it_should(text: str) -> None:
    written = literal(text)
    assert written[0] == written[-1] == "'"
    inner = written[1:-1].replace("\\\\", "").replace("\\'", "").replace("\\u0024{", "")
    assert "'" not in inner and "\\" not in inner and "${" not in inner


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
            except OSError:  # the name is a file or a folder already
                continue
            made.add((folder, name))
        listed = list(walk_local(root, deep=True))
        assert len({f.source_path for f in listed}) == len(listed)
        for folder, name in made:
            path = os.fsdecode(os.path.join(os.fsencode(root), folder, name))
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            folder_shown = os.path.dirname(shown)
            here = [f for f in listed if f.source_path in (shown, folder_shown)]
            hidden = os.path.basename(path).startswith("._") or os.path.basename(path) in (".DS_Store", "Thumbs.db")
            assert len(here) == 1 or hidden
            assert all(f.reason is None or f.detail for f in here)
