"""The local catalog: one pointer a table, which moves whole, for one writer at a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.local import LocalCatalog
from catalog.snapshot import Snapshot, new_id
from catalog.tables import FRUIT_VECTORS

TABLE = FRUIT_VECTORS.name


def snapshot(id_: str, parent: str | None = None) -> Snapshot:
    return Snapshot(
        TABLE,
        id_,
        f"gold/fruit_vectors/snapshot={id_}",
        FRUIT_VECTORS.columns,
        rows=3,
        bytes=99,
        partition_by="label",
        partitions={"Pêche d'été": "gold/x/label=Pêche d%27été", "🍎": "gold/x/label=🍎"},
        parameters={"rows_added": "3"},
        parent=parent,
        created_at="2026-11-22T18:45:01+00:00",
    )


def published(catalog: LocalCatalog) -> str | None:
    current = catalog.current(TABLE)
    return current.id if current else None


def folder(catalog: LocalCatalog) -> Path:
    return Path(catalog.lake) / "_catalog" / TABLE


def test_a_new_lake_has_no_tables(catalog: LocalCatalog) -> None:
    assert catalog.tables() == []
    assert catalog.current(TABLE) is None
    assert catalog.history(TABLE) == []


def test_what_was_published_is_current(catalog: LocalCatalog) -> None:
    catalog.publish(snapshot("1"))
    assert catalog.current(TABLE) == snapshot("1")
    assert catalog.tables() == [TABLE]
    assert LocalCatalog(catalog.lake).current(TABLE) == snapshot("1")


def test_history_is_newest_first(catalog: LocalCatalog) -> None:
    for id_, parent in (("1", None), ("2", "1"), ("3", "2")):
        catalog.publish(snapshot(id_, parent))
    assert published(catalog) == "3"
    assert [s.id for s in catalog.history(TABLE)] == ["3", "2", "1"]


def test_ids_of_runs_tell_their_time() -> None:
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{4}", new_id())
    assert len({new_id() for _ in range(5)}) > 1


def test_a_rollback_makes_an_older_snapshot_current(catalog: LocalCatalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    assert catalog.rollback(TABLE, "1") == snapshot("1")
    assert published(catalog) == "1"
    assert [s.id for s in catalog.history(TABLE)] == ["2", "1"]
    catalog.publish(snapshot("3", parent="1"))
    assert published(catalog) == "3"


def test_a_rollback_to_what_never_was_names_what_was(catalog: LocalCatalog) -> None:
    catalog.publish(snapshot("1"))
    catalog.publish(snapshot("2", parent="1"))
    with pytest.raises(CatalogError, match=f"{TABLE} has no snapshot '9': choose one of 2, 1"):
        catalog.rollback(TABLE, "9")
    with pytest.raises(CatalogError, match=r"gold.pca has no snapshot '9': choose one of \(none\)"):
        catalog.rollback("gold.pca", "9")
    assert published(catalog) == "2"


@pytest.mark.parametrize("parent", [None, "0"])
def test_a_snapshot_made_of_an_older_one_is_refused(catalog: LocalCatalog, parent: str | None) -> None:
    catalog.publish(snapshot("1"))
    with pytest.raises(ConcurrentPublishError, match=r"published by another run \(1\).*run again"):
        catalog.publish(snapshot("2", parent))
    assert published(catalog) == "1"
    assert [s.id for s in catalog.history(TABLE)] == ["1"]


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
    for read in (catalog.current, catalog.history):
        with pytest.raises(CatalogError, match=r"entry /.*/1\.json cannot be read .*: restore it, or .*/CURRENT$"):
            read(TABLE)


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
