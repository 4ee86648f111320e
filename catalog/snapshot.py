"""One immutable version of a table: where its files are and what is known of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from catalog.tables import Column


def new_id() -> str:
    """A run's id, which names its batches and snapshots; ids sort by time: `20261122T184501-9f3c`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Snapshot:
    """A published version of a table.

    location and the values of partitions are relative to the lake, so that a lake can be moved.
    partitions maps a partition value to its folder; it is empty for a table without partitions.
    rows counts the whole snapshot; bytes likewise.
    """

    table: str
    id: str
    location: str
    columns: tuple[Column, ...]
    rows: int
    bytes: int
    partition_by: str | None = None
    partitions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Raises ValueError, TypeError or KeyError for what is not a snapshot."""
        raw: dict[str, Any] = json.loads(text)
        raw["columns"] = tuple(Column(**c) for c in raw["columns"])
        for name, kind in (("rows", int), ("bytes", int), ("partitions", dict), ("parameters", dict)):
            if not isinstance(raw[name], kind):
                raise TypeError(f"{name} is {raw[name]!r}")
        return cls(**raw)
