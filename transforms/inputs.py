"""Fingerprint of a table's inputs, stored with each snapshot: the inputs' snapshots, the network and the model's code.

The same inputs give the same rows, so a table whose inputs have not changed is not rebuilt.
"""

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
    [code] = PROJECT.joinpath("models").glob(f"{table.replace('.', '/')}.*")
    digest = hashlib.sha256(version("fruitlake").encode() + code.read_bytes()).hexdigest()[:12]
    return " ".join([*inputs, f"code@{digest}"])


def stands(table: str, snapshots: Mapping[str, Snapshot], model_id: str) -> bool:
    """Whether the table's current snapshot was made from its inputs' current state."""
    then, now = _then_and_now(table, snapshots, model_id)
    return bool(then) and then == now


def made_of(table: str, upstream: str, snapshots: Mapping[str, Snapshot], model_id: str) -> int | None:
    """The upstream snapshot that the table was made from; None if any other input may have changed, too."""
    then, now = _then_and_now(table, snapshots, model_id)
    return int(then[upstream]) if upstream in then and then == now | {upstream: then[upstream]} else None


def _then_and_now(table: str, snapshots: Mapping[str, Snapshot], model_id: str) -> list[dict[str, str]]:
    """The inputs that the table was made from, by name, and their current state."""
    stored = snapshots[table].properties.get("inputs", "") if table in snapshots else ""
    upstream = [name for name in TABLES if f"{name}@" in stored]
    now = inputs_of(table, upstream, snapshots, model_id)
    return [dict(part.split("@") for part in inputs.split()) for inputs in (stored, now)]
