"""`fruitlake stream`: photos that arrive get into gold, once, whatever happens in between."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bootstrap.streaming import Pace, Stream
from catalog.compaction import COMPACTED, small_files
from catalog.errors import AuditError, BusyError
from catalog.tables import TABLES
from ingestion.samples import write_sample_photos
from tests.commands import fruitlake
from tests.lakes import AWKWARD_LABELS, Lake
from tests.photos import encode, photo, sample_photo

ONCE = Pace(trigger=None, photos_per_batch=500, settle=0, marts_every=600)
SOON = replace(ONCE, trigger=0.2)


def stream(lake: Lake, pace: Pace = ONCE, metrics: Path | None = None, **options: object) -> Stream:
    return Stream(lake.settings(**options), pace, Console(quiet=True), metrics)


def snapshots(lake: Lake) -> dict[str, int]:
    return {table: version.id for table, version in lake.tables.current_snapshots().items()}


def in_gold(lake: Lake) -> dict[str, str]:
    """Labels of the photos in gold, by the name of their file; those of the built lake's own are left out."""
    labels = {row["image_id"]: row["label"] for row in lake.rows("gold.fruit_vectors", "image_id", "label")}
    paths = {row["image_id"]: row["source_path"] for row in lake.rows("bronze.images", "image_id", "source_path")}
    mine = {id_: path for id_, path in paths.items() if id_ in labels and path.startswith(f"{lake.photos}/")}
    return {path.removeprefix(f"{lake.photos}/"): labels[id_] for id_, path in mine.items()}


def put(folder: Path, *names: str, seed: int = 0) -> None:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed + index))


@contextmanager
def running(taking: Stream) -> Iterator[None]:
    """The stream in a thread, until the block ends."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            taking.run()
        except Exception as error:  # noqa: BLE001  # raised below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        taking.stop.set()
        thread.join(120)
    assert not thread.is_alive()
    assert not failures, failures


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def wait_for(lake: Lake, *names: str) -> None:
    until(lambda: in_gold(lake).keys() >= {*names})


@contextmanager
def alone(lake: Lake) -> Iterator[None]:
    """The lake's exclusive lock, as soon as the stream's batch is done."""
    with ExitStack() as held:
        while True:
            with suppress(BusyError):
                held.enter_context(lake.tables.exclusive())
                break
            time.sleep(0.1)
        yield


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    """A lake with a PCA, and an empty folder that photos arrive in."""
    copy = replace(built.copy(tmp_path / "lake"), photos=tmp_path / "photos [new] {a}")
    copy.photos.mkdir()
    return copy


def test_an_empty_lake_gets_all_layers_and_a_batch_that_is_given_again_changes_nothing(
    tmp_path: Path, cache: Path
) -> None:
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    write_sample_photos(lake.photos, per_label=4, labels=("Banana", "Lemon"))
    stream(lake, replace(ONCE, photos_per_batch=4)).run()
    assert sorted(in_gold(lake).values()) == ["Banana"] * 4 + ["Lemon"] * 4
    assert lake.tables.tables() == list(TABLES)
    before = snapshots(lake)
    [commits] = Path(lake.tables.checkpoints).glob("*/commits")
    for name in ("1", ".1.crc"):
        (commits / name).unlink()
    stream(lake).run()
    assert snapshots(lake) == before
    assert (commits / "1").exists()


@pytest.mark.exhaustive
def test_all_kinds_of_files_arrive(lake: Lake, tmp_path: Path) -> None:
    awkward = [f"{label}/new.jpg" for label in AWKWARD_LABELS]
    put(lake.photos, *awkward, "Banana/old.jpg", "Banana/notes.txt", ".hidden/a.jpg")
    os.utime(lake.photos / "Banana/old.jpg", (1e9, 1e9))  # as `cp -p` leaves it: 2001
    (lake.photos / "Banana" / "broken.jpg").write_bytes(b"\xff\xd8\xff cut short")
    whole = encode(sample_photo("Banana", 0, 64))
    (lake.photos / "Banana" / "slow.jpg").write_bytes(whole[:300])
    stream(lake, max_quarantine_share=0.5, metrics=tmp_path / "metrics.jsonl").run()
    assert in_gold(lake) == {name: name.split("/")[0] for name in (*awkward, "Banana/old.jpg")}
    rejected = {Path(row["source_path"]).name for row in lake.rows("bronze.quarantine", "source_path")}
    assert rejected == {"broken.jpg", "slow.jpg"}
    [figures] = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    # Spark passes over a folder whose name begins with _, and the ordinary run at the end finds it
    assert (figures["files"], figures["stored"], figures["quarantined"]) == (12, 10, 2)

    (lake.photos / "Banana" / "slow.jpg").write_bytes(whole)  # nor is it given again
    put(lake.photos, "Kiwi Half/later.jpg", seed=50)
    stream(lake, max_quarantine_share=0.5).run()
    assert in_gold(lake).keys() >= {"Banana/slow.jpg", "Kiwi Half/later.jpg"}


@pytest.mark.exhaustive
def test_photos_arrive_while_it_runs_and_another_process_may_have_the_lake(lake: Lake) -> None:
    (lake.photos / "Banana").mkdir()
    with running(stream(lake, replace(ONCE, trigger=0.2, settle=0.2))):
        put(lake.photos, "Banana/one.jpg")
        wait_for(lake, "Banana/one.jpg")
        with alone(lake):  # as an erasure is
            put(lake.photos, "Banana/two.jpg", seed=1)
            time.sleep(2)
            assert "Banana/two.jpg" not in in_gold(lake)
        wait_for(lake, "Banana/two.jpg")
    marts = lake.tables.current_snapshots()
    assert marts["gold.label_summary"].created_at < marts["gold.fruit_vectors"].created_at  # it was ended
    stream(lake).run()
    marts = lake.tables.current_snapshots()
    assert marts["gold.label_summary"].created_at > marts["gold.fruit_vectors"].created_at


def test_an_erasure_removes_the_names_of_files_and_the_stream_goes_on(lake: Lake, tmp_path: Path) -> None:
    put(lake.photos, "Banana/one.jpg", "Banana/two.jpg")
    with running(stream(lake, SOON)):
        wait_for(lake, "Banana/one.jpg", "Banana/two.jpg")
        with alone(lake):
            (lake.photos / "Banana" / "one.jpg").unlink()
        places = ("--lake", str(lake.path), "--source-path", f"{lake.photos}/Banana/one.jpg")
        erased = fruitlake("erase", *places, "--reason", "asked", cwd=tmp_path)
        assert erased.code == 0, erased
        assert not Path(lake.tables.checkpoints).exists()
        put(lake.photos, "Banana/three.jpg", seed=2)
        wait_for(lake, "Banana/three.jpg")
    assert in_gold(lake).keys() == {"Banana/two.jpg", "Banana/three.jpg"}


@pytest.mark.exhaustive
def test_what_a_killed_batch_writes_after_an_erasure_is_no_checkpoint(lake: Lake) -> None:
    for number in range(2):
        put(lake.photos, f"Banana/{number}.jpg", seed=number)
        stream(lake).run()
    [checkpoint] = Path(lake.tables.checkpoints).iterdir()
    for old in ("metadata", "sources/0/0", "offsets/0", "commits/0"):
        (checkpoint / old).unlink()
        (checkpoint / old).with_name(f".{Path(old).name}.crc").unlink()
    put(lake.photos, "Banana/new.jpg", seed=9)
    stream(lake).run()
    assert "Banana/new.jpg" in in_gold(lake)


def test_a_batch_that_fails_ends_the_stream_and_is_given_again(lake: Lake) -> None:
    put(lake.photos, "Banana/good.jpg")
    for number in range(9):
        (lake.photos / "Banana" / f"{number}.jpg").write_bytes(b"no photo")
    with pytest.raises(AuditError, match="cannot be used"):
        stream(lake).run()
    assert not in_gold(lake)
    stream(lake, max_quarantine_share=1).run()
    assert in_gold(lake).keys() == {"Banana/good.jpg"}


def test_small_files_of_batches_are_merged(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.streaming._MERGE_EVERY", 5)
    put(lake.photos, *(f"Banana/{number}.jpg" for number in range(5)))
    stream(lake, replace(ONCE, photos_per_batch=1)).run()
    assert {table: small_files(lake.tables, table) for table in COMPACTED} == dict.fromkeys(COMPACTED, 0)
    assert sorted(in_gold(lake)) == [f"Banana/{number}.jpg" for number in range(5)]
