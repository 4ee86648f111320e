"""Block lists: erased photos that no run may ingest again, written by `fruitlake erase --and-block`.

<lake>/_erasures/<id>.blocked.json   a salt, and the salted hash of the id of every photo that was erased

A photo's id is the hash of its bytes, so the list reveals nothing to anyone who does not have the photo. There is one
list per erasure; to lift the block, delete the file.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from catalog.storage import files, read_bytes, write_object

if TYPE_CHECKING:
    from catalog.lake import Lake  # tasks that read photos must not wait for PyIceberg's imports

_BLOCKED = ".blocked.json"


class BlockList(NamedTuple):
    """Photos blocked by one erasure: `image_id in block_list`."""

    salt: str
    hashes: frozenset[str]

    def __contains__(self, image_id: object) -> bool:
        """Whether the photo is blocked."""
        return _salted(self.salt, image_id) in self.hashes


def block(lake: Lake, erasure_id: str, image_ids: Iterable[str]) -> None:
    """Write the block list of an erasure; it applies from the next run on."""
    salt = secrets.token_hex(32)
    listed = {"salt": salt, "hashes": sorted(_salted(salt, image_id) for image_id in image_ids)}
    write_object(f"{lake.uri}/_erasures/{erasure_id}{_BLOCKED}", json.dumps(listed, indent=1).encode())


def block_lists(lake: Lake) -> tuple[BlockList, ...]:
    """Read all block lists of the lake."""
    uris = sorted(uri for uri in files(f"{lake.uri}/_erasures") if uri.endswith(_BLOCKED))
    lists = [json.loads(read_bytes(uri)) for uri in uris]
    return tuple(BlockList(listed["salt"], frozenset(listed["hashes"])) for listed in lists)


def _salted(salt: str, image_id: object) -> str:
    return hashlib.sha256(f"{salt}{image_id}".encode()).hexdigest()
