"""Rows that satisfy their table's contract, and DataFrames of them."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from catalog.tables import FEATURES, TABLES
from expectations.audited import PcaInUse
from tests.photos import photo

PCA = PcaInUse("p", 2)  # the PCA of the rows below
CONTENT = photo()
NOW = datetime(2026, 11, 22, 18, 45, tzinfo=UTC)

_GOOD: dict[str, Any] = {
    "image_id": hashlib.sha256(CONTENT).hexdigest(),
    "label": "Kiwi",
    "source_path": "photos/Kiwi/1.jpg",
    "content": CONTENT,
    "width": 100,
    "height": 80,
    "size": 5000,
    "source_modified_at": NOW,
    "ingested_at": NOW,
    "batch": "b",
    "reason": "truncated",
    "detail": "JPEG: ends early",
    "quarantined_at": NOW,
    "features": [0.5] * FEATURES,
    "feature_norm": 17.8885,
    "model_id": "m",
    "pca_id": PCA.pca_id,
    "k": PCA.k,
    "variance_target": 0.9,
    "fitted_rows": 9,
    "eigenvalues": [6.0, 4.0] + [0.0] * (FEATURES - 2),
    "fitted_at": NOW,
    "mean": [0.5] * FEATURES,
    "components": [[1.0] + [0.0] * (FEATURES - 1), [0.0, 1.0] + [0.0] * (FEATURES - 2)],
    "vector": [1.0, -2.0],
    "component": 1,
    "eigenvalue": 6.0,
    "ratio": 0.6,
    "cumulative": 0.6,
    "kept": True,
    "photos": 9,
    "share": 0.5,
    "spread": 2.0,
    "centroid": [1.0, -2.0],
    "other_label": "Fig",
    "cosine": 0.25,
    "rank": 1,
    "distance": 3.0,
    "nearest_label": "Fig",
    "nearest_distance": 2.0,
}


def sha(name: object) -> str:
    """An image_id."""
    return hashlib.sha256(str(name).encode()).hexdigest()


def row(table: str, **changes: Any) -> dict[str, Any]:
    """A valid row of the table, with the given changes."""
    return {c.name: _GOOD[c.name] for c in TABLES[table].columns} | changes


def frame(spark: SparkSession, table: str, *rows: dict[str, Any]) -> DataFrame:
    columns = TABLES[table].columns
    values = [tuple(each[c.name] for c in columns) for each in rows]
    return spark.createDataFrame(values, ", ".join(f"{c.name} {c.type}" for c in columns))
