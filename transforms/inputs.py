"""Fingerprint of a table's inputs, stored with each snapshot: the inputs' snapshots, the network and the model's code.

The same inputs give the same rows, so a table whose inputs have not changed is not rebuilt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from catalog.snapshots import Snapshot
from catalog.tables import IMAGE_FEATURES, TABLES

PROJECT = Path(str(files("transforms")))


def inputs_of(table: str, upstream: Sequence[str], snapshots: Mapping[str, Snapshot], model_id: str) -> str:
    """The fingerprint: `bronze.images@4711 model@mobilenetv2-onnx-… code@…`; only silver depends on the network."""
    inputs = [f"{name}@{snapshots[name].rows_id}" for name in sorted(upstream) if name in snapshots]
    inputs += [f"model@{model_id}"] if table == IMAGE_FEATURES.name else []
    return " ".join([*inputs, f"code@{_digest(table)}"])


def stands(table: str, snapshots: Mapping[str, Snapshot], model_id: str) -> bool:
    """Whether the table's current snapshot was made from its inputs' current state."""
    stored = snapshots[table].properties.get("inputs", "") if table in snapshots else ""
    upstream = [name for name, _, _ in (part.partition("@") for part in stored.split()) if name in TABLES]
    return bool(stored) and stored == inputs_of(table, upstream, snapshots, model_id)


def made_of(table: str, upstream: str, snapshots: Mapping[str, Snapshot], model_id: str) -> int | None:
    """The upstream snapshot that the table was made from; None if any other input may have changed, too."""
    stored = snapshots[table].properties.get("inputs", "") if table in snapshots else ""
    then = _by_name(stored)
    now = _by_name(inputs_of(table, [name for name in then if name in TABLES], snapshots, model_id))
    return int(then[upstream]) if upstream in then and then == now | {upstream: then[upstream]} else None


def _by_name(inputs: str) -> dict[str, str]:
    return {name: version for name, _, version in (part.partition("@") for part in inputs.split())}


def _digest(table: str) -> str:
    [code] = PROJECT.joinpath("models").glob(f"{table.replace('.', '/')}.*")
    return hashlib.sha256(version("fruitlake").encode() + code.read_bytes()).hexdigest()[:12]
