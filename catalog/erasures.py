"""What was erased, and what is being erased: <lake>/_erasures/.

<id>.pending.json   while it is under way: what has to go, so that a killed erasure can be finished
<id>.json           when it is done: when, why, how many rows of which table; nothing of the photos or of a person

Ids sort by time, as those of runs do: by them a run knows that what it has read is not there any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from posixpath import basename

from catalog.errors import ErasedMeanwhileError
from catalog.storage import delete_file, files, is_remote, read_bytes, write_object

_PENDING = ".pending.json"
_SECOND = len("20261122T184501")  # of an id: what tells when it was made


@dataclass(frozen=True)
class Erasure:
    """What has to go. selector says how it was asked for, not what for; rows counts by table.

    image_ids go from every layer; photo_batches from bronze.images alone: what was made of them may be kept longer.
    """

    id: str
    selector: str
    reason: str
    requested_at: str
    image_ids: tuple[str, ...] = ()
    source_paths: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    photo_batches: tuple[str, ...] = ()
    quarantine_batches: tuple[str, ...] = ()
    refit: bool = False
    everything: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """The proof that something was erased, without a trace of it."""

    id: str
    selector: str
    reason: str
    requested_at: str
    completed_at: str
    rows: Mapping[str, int]
    snapshots_forgotten: int
    versions_removed: int
    pca_refitted: bool
    producer: str


def begin(lake: str, erasure: Erasure) -> None:
    """From here on the erasure will be finished, whatever happens."""
    write_object(f"{lake}/_erasures/{erasure.id}{_PENDING}", _json(erasure))


def pending(lake: str) -> list[Erasure]:
    """Erasures that were begun and not finished, oldest first."""
    names = sorted(basename(f.path) for f in files(f"{lake}/_erasures"))
    texts = [read_bytes(f"{lake}/_erasures/{n}").decode() for n in names if n.endswith(_PENDING)]
    return [_erasure(json.loads(text)) for text in texts]


def finish(lake: str, record: Record) -> str:
    """Write the record, and only then forget what was erased. Returns the record's URI."""
    uri = f"{lake}/_erasures/{record.id}.json"
    write_object(uri, _json(record))
    begun = f"{lake}/_erasures/{record.id}{_PENDING}"
    if is_remote(lake):
        from catalog import remains  # imports boto3: only where there is a bucket

        remains.delete_for_good(begun)
    else:
        delete_file(begun)
    return uri


def check_none_since(lake: str, run: str) -> None:
    """Raise ErasedMeanwhileError if an erasure is under way, or was begun after the run of this id.

    For S3; a folder's lock keeps them apart.
    """
    if not is_remote(lake):
        return
    names = sorted(basename(f.path) for f in files(f"{lake}/_erasures"))
    if later := [n for n in names if n.endswith(_PENDING) or n[:_SECOND] >= run[:_SECOND]]:
        raise ErasedMeanwhileError(
            f"photos are erased from '{lake}' ({later[0]}) while this run works with what was there before: "
            "it publishes nothing more; run again when that is done"
        )


def _json(item: Erasure | Record) -> bytes:
    return json.dumps(asdict(item), indent=1, ensure_ascii=False, sort_keys=True).encode()


def _erasure(raw: dict[str, object]) -> Erasure:
    lists = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    return Erasure(**(raw | lists))  # type: ignore[arg-type]  # we wrote it
