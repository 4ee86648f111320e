"""A small lake written with PyIceberg alone: no photos, no model, no JVM."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import pyarrow as pa

from catalog.lake import Lake
from catalog.snapshots import Snapshot
from catalog.tables import TABLES

Row = Mapping[str, Any]
LABELS = (
    "Apple Braeburn",
    "Pêche d'été",
    "100% = #1",
    "🍎 +",
    'q"uote\\slash',
    "a:b?c*d[e]{f}^g",
    "007",
    "null",
    "L" * 200,
)


def append(
    lake: Lake, table: str, rows: Iterable[Row], run: str = "20261122T184501-0001", pca_id: str = "pca-1"
) -> Snapshot:
    """Append rows to a table, creating it if necessary; missing columns are null."""
    arrow = pa.Table.from_pylist([dict(row) for row in rows], TABLES[table].arrow_schema)
    (lake.load(table) or _create(lake, table)).append(
        arrow, snapshot_properties={"fruitlake.run_id": run, "fruitlake.pca_id": pca_id}
    )
    current = lake.current(table)
    assert current is not None
    return current


def vectors(label: str, *vectors: tuple[float, ...], pca_id: str = "pca-1") -> list[Row]:
    """Rows of gold.fruit_vectors; a photo's id is derived from its label and its position."""
    ids = [sha256(f"{label}/{place}".encode()).hexdigest() for place in range(len(vectors))]
    return [
        {"image_id": id_, "vector": list(vector), "pca_id": pca_id, "label": label}
        for id_, vector in zip(ids, vectors, strict=True)
    ]


def small_lake(lake: Lake) -> Lake:
    """Labels with two photos each, and their centroids."""
    for n, label in enumerate(LABELS):
        append(lake, "gold.fruit_vectors", vectors(label, (1.0, n), (0.5, n + 1.0)))
    append(
        lake,
        "gold.label_summary",
        [
            {"label": label, "photos": 2, "share": 0.5, "spread": 1.0, "centroid": [0.75, n + 0.5], "pca_id": "pca-1"}
            for n, label in enumerate(LABELS)
        ],
    )
    return lake


def _create(lake: Lake, name: str) -> Any:
    table = TABLES[name]
    lake.catalog.create_namespace_if_not_exists(lake.namespace(table.layer))
    lake.catalog.create_table(lake.identifier(name), table.arrow_schema, location=lake.location(name))
    loaded = lake.load(name)
    assert loaded is not None
    if table.partition:
        with loaded.update_spec() as spec:
            spec.add_identity(table.partition)
    return loaded
