"""Records of erasures, finished and in progress, in <lake>/_erasures/.

<id>.pending.json   in progress: what has to be erased, so that an interrupted erasure can be finished
<id>.blocked.json   with --and-block: see blocklist.py
<id>.json           finished: when, why, how many rows of which table, but nothing about the photos or a person

Ids of erasures and runs sort by time, which tells a run that photos were erased after it had read them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from posixpath import basename

from pydantic import TypeAdapter

from catalog.errors import ErasedMeanwhileError
from catalog.lake import Lake
from catalog.storage import files, read_bytes, write_object

_PENDING = ".pending.json"
_SECOND = len("20261122T184501")  # length of the time in an id


@dataclass(frozen=True)
class Erasure:
    """What to erase. selector: kinds of criteria, without their values; rows: number of rows by table.

    image_ids are deleted from every layer and, with block, kept out from then on. photo_batches are deleted only from
    bronze.images, because their features may be kept longer.
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
    block: bool = False
    everything: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)


def begin(lake: Lake, erasure: Erasure) -> None:
    """Write the pending record: from here on, the erasure has to be finished, even after an interruption."""
    write_object(f"{lake.uri}/_erasures/{erasure.id}{_PENDING}", _json(asdict(erasure)))


def pending(lake: Lake) -> list[Erasure]:
    """Erasures that were started but not finished, oldest first."""
    uris = sorted(uri for uri in files(f"{lake.uri}/_erasures") if uri.endswith(_PENDING))
    return [TypeAdapter(Erasure).validate_json(read_bytes(uri)) for uri in uris]


def finish(lake: Lake, record: Mapping[str, object]) -> str:
    """Write the record, then delete the pending record with its versions. Returns the record's URI."""
    uri = f"{lake.uri}/_erasures/{record['id']}"
    write_object(f"{uri}.json", _json(record))
    lake.delete_permanently(f"{uri}{_PENDING}")
    return f"{uri}.json"


def check_none_since(lake: Lake, run: str) -> None:
    """Raise ErasedMeanwhileError if an erasure is in progress, or began after the run with this id.

    In a lake with locks, erasures and runs exclude each other, so nothing is checked.
    """
    if lake.locks:
        return
    names = sorted(map(basename, files(f"{lake.uri}/_erasures")))
    if later := [n for n in names if n.endswith(_PENDING) or n[:_SECOND] >= run[:_SECOND]]:
        raise ErasedMeanwhileError(
            f"photos are erased from '{lake.uri}' ({later[0]}) that this run may have read, so it publishes nothing "
            "more: run again when the erasure is finished"
        )


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True).encode()
