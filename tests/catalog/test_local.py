"""The local catalog: one pointer a table, which moves whole, for one writer at a time.

What every catalog does is in test_catalogs.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import CatalogError
from catalog.local import LocalCatalog
from tests.snapshots import TABLE, published, snapshot


def folder(catalog: LocalCatalog) -> Path:
    return Path(catalog.lake) / "_catalog" / TABLE


TURNS = 4
PUBLISHER = """
import sys
from catalog.errors import ConcurrentPublishError
from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot

catalog = LocalCatalog(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    id_, parent = line.split()
    try:
        catalog.publish(Snapshot("gold.pca", id_, "x", (), 0, 0, parent=None if parent == "-" else parent))
        print(id_, flush=True)
    except ConcurrentPublishError:
        print("refused", flush=True)
"""


def test_of_two_processes_at_once_exactly_one_publishes(catalog: LocalCatalog) -> None:
    publishers = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, catalog.lake], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    pipes = [(p.stdin, p.stdout) for p in publishers]
    assert all(answers.readline() == "ready\n" for _, answers in pipes if answers)
    parent = "-"
    for turn in range(TURNS):
        for number, (orders, _) in enumerate(pipes):
            assert orders
            orders.write(f"{turn:02}-{number} {parent}\n")
            orders.flush()
        said = sorted(answers.readline().strip() for _, answers in pipes if answers)
        assert said[1] == "refused", said
        current = catalog.current("gold.pca")
        assert current is not None and current.id == said[0]
        parent = current.id
    for publisher in publishers:
        publisher.communicate(timeout=30)
    assert len(catalog.history("gold.pca")) == TURNS


KILLED = """
import os, signal, sys
from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot

replace = os.replace
def replace_or_die(source, target):
    if target.endswith("CURRENT"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = replace_or_die
LocalCatalog(sys.argv[1]).publish(Snapshot.from_json(sys.stdin.read()))
"""


def test_a_writer_killed_before_the_pointer_moves_leaves_the_old_snapshot(catalog: LocalCatalog) -> None:
    catalog.publish(snapshot("1"))
    new = snapshot("2", parent="1")
    killed = subprocess.run([sys.executable, "-c", KILLED, catalog.lake], input=new.to_json(), text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (folder(catalog) / "2.json").exists()
    assert published(catalog) == "1"
    catalog.publish(new)  # neither a lock nor a left-over file is in the way
    assert catalog.current(TABLE) == new


def test_a_pointer_that_cannot_move_leaves_no_trace_of_the_snapshot(
    catalog: LocalCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.publish(snapshot("1"))
    replace = os.replace

    def refuse(source: str, target: str) -> None:
        if target.endswith("CURRENT"):
            raise OSError("No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        catalog.publish(snapshot("2", parent="1"))
    assert published(catalog) == "1"
    assert [s.id for s in catalog.history(TABLE)] == ["1"]


@pytest.mark.parametrize(
    "damage", [b"", b'{"table": "gol', b"[]", b'{"columns": []}', b'{"columns": [1]}', b"\xff\xfe"]
)
def test_a_damaged_entry_is_named_with_the_next_step(catalog: LocalCatalog, damage: bytes) -> None:
    catalog.publish(snapshot("1"))
    (folder(catalog) / "1.json").write_bytes(damage)
    with pytest.raises(CatalogError, match=r"entry /.*/1\.json cannot be read .*: restore it, or .*/CURRENT$"):
        catalog.current(TABLE)
    assert catalog.history(TABLE) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"partitions": None}, "partitions is None"),
        ({"rows": "3"}, "rows is '3'"),
        ({"table": "gold.pca"}, "it is the entry of 1 of gold.pca"),
        ({"id": "2"}, "it is the entry of 2 of"),
    ],
)
def test_an_entry_that_was_edited_wrongly_is_named_too(
    catalog: LocalCatalog, change: dict[str, object], says: str
) -> None:
    catalog.publish(snapshot("1"))
    entry = folder(catalog) / "1.json"
    entry.write_text(json.dumps(json.loads(entry.read_text()) | change))
    with pytest.raises(CatalogError, match=rf"1\.json cannot be read \({says}"):
        catalog.current(TABLE)


def test_a_damaged_pointer_is_named_with_the_next_step(catalog: LocalCatalog) -> None:
    catalog.publish(snapshot("1"))
    (folder(catalog) / "CURRENT").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match=r"pointer /.*/CURRENT cannot be read .*: write the id of a snapshot"):
        catalog.current(TABLE)
    (folder(catalog) / "CURRENT").write_text("9")
    with pytest.raises(CatalogError, match=r"entry /.*/9\.json cannot be read"):
        catalog.current(TABLE)
    (folder(catalog) / "CURRENT").write_text("1\n")  # as a person's editor leaves it
    assert published(catalog) == "1"


def test_a_lake_can_be_moved(catalog: LocalCatalog, tmp_path: Path) -> None:
    catalog.publish(snapshot("1"))
    os.rename(catalog.lake, tmp_path / "moved")
    assert catalog.current(TABLE) is None
    assert LocalCatalog(str(tmp_path / "moved")).current(TABLE) == snapshot("1")
