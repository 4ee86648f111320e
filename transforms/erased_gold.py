"""Gold without some photos, in seconds: what is left of the vectors, and the marts over them. No Spark.

    fruit_vectors ──files without the photos (catalog/rewrite.py)──▶ next snapshot
                                     └──NumPy──▶ label_summary, label_similarity

The stored PCA stands, so no other vector changes. The marts are what their SQL gives; still, what they were made of is
not stored with them, so that the next run builds and audits them by that SQL.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.datasets import arrow_type, dataset
from catalog.protocol import Catalog
from catalog.rewrite import without_rows
from catalog.storage import files, filesystem
from catalog.tables import FRUIT_VECTORS, IMAGE_FEATURES, LABEL_SIMILARITY, LABEL_SUMMARY, Table

Row = dict[str, Any]


def without_photos(catalog: Catalog, image_ids: frozenset[str], run: str, silver_before: str | None) -> None:
    """Publish gold without these photos. silver_before: the snapshot that silver had before they were taken out of it.

    Does nothing to vectors that hold none of them, nor to marts that were made of the vectors as they are.
    """
    vectors, silver = catalog.current(FRUIT_VECTORS.name), catalog.current(IMAGE_FEATURES.name)
    if vectors is None or silver is None:
        return
    # it is still what this silver gives, unless gold lagged behind already
    before, now = (f"{IMAGE_FEATURES.name}@{id_}" for id_ in (silver_before, silver.id))
    inputs = {"inputs": vectors.parameters.get("inputs", "").replace(before, now)}
    without_rows(catalog, FRUIT_VECTORS.name, {"image_id": image_ids}, run, inputs)
    vectors = catalog.current(FRUIT_VECTORS.name)
    mart = catalog.current(LABEL_SUMMARY.name)
    if vectors is None or (mart is not None and f"@{vectors.id} " in mart.parameters.get("inputs", "")):
        return
    summary = summarize(dataset(catalog.lake, vectors).to_table(columns=["label", "vector"]))
    _publish(catalog, LABEL_SUMMARY, summary, run)
    _publish(catalog, LABEL_SIMILARITY, compare(summary), run)


def summarize(vectors: pa.Table) -> list[Row]:
    """Rows of gold.label_summary, as label_summary.sql has them."""
    rows = []
    for label in sorted(vectors["label"].unique().to_pylist()):
        mine = vectors.filter(pc.equal(vectors["label"], label))["vector"].combine_chunks()
        matrix = mine.flatten().to_numpy().reshape(len(mine), -1).astype(np.float64)
        spread = float(np.sqrt(matrix.var(axis=0).sum()))
        share = len(mine) / vectors.num_rows
        rows.append({"label": label, "photos": len(mine), "share": share, "spread": spread, "centroid": matrix.mean(0)})
    return rows


def compare(summary: list[Row]) -> list[Row]:
    """Rows of gold.label_similarity, as label_similarity.sql has them."""
    if not summary:
        return []
    centroids = np.array([row["centroid"] for row in summary])
    lengths = np.linalg.norm(centroids, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (centroids @ centroids.T) / np.outer(lengths, lengths)
    rows: list[Row] = []
    for i, row in enumerate(summary):
        others = [(summary[j]["label"], float(cosines[i, j])) for j in range(len(summary)) if j != i]
        others.sort(key=lambda pair: (-pair[1] if pair[1] == pair[1] else np.inf, pair[0]))
        rows += [
            {"label": row["label"], "other_label": label, "cosine": None if cosine != cosine else cosine, "rank": rank}
            for rank, (label, cosine) in enumerate(others, 1)
        ]
    return rows


def _publish(catalog: Catalog, table: Table, rows: list[Row], run: str) -> None:
    """As one file; nothing if the table was never published."""
    current = catalog.current(table.name)
    if current is None:
        return
    location = f"{table.name.replace('.', '/')}/snapshot={run}"
    schema = pa.schema([(c.name, arrow_type(c.type)) for c in table.stored])
    fs, path = filesystem(f"{catalog.lake}/{location}")
    fs.create_dir(path, recursive=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), f"{path}/part-0.parquet", filesystem=fs, compression="snappy")
    catalog.publish(
        replace(
            current,
            id=run,
            location=location,
            rows=len(rows),
            bytes=sum(f.size for f in files(f"{catalog.lake}/{location}")),
            parameters={**current.parameters, "rows_added": "0", "inputs": ""},
            parent=current.id,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
