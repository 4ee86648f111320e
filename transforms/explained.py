"""Does the stored PCA still fit? How much of the variance of the photos added since it was fitted it explains.

silver's batches after the fit ──(x - mean)──▶ Σ|(x - mean)|², Σ|(x - mean) · componentsᵀ|² ──▶ their ratio
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gram import to_matrix
from transforms.pca import VariancePCAModel
from transforms.run import Run


def explained_of_new(run: Run, features: DataFrame, model: VariancePCAModel, pca_id: str) -> float | None:
    """A share, 0 to 1; None if no photo was added since. A PCA is named by the run that fitted it, as batches are."""
    silver = run.current("silver.image_features")
    if silver is None or max(silver.partitions, default="") <= pca_id:
        return None  # without starting a job
    mean, components = model.mean, model.components

    def squares(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                centred = to_matrix(batch["features"]) - mean
                kept = centred @ components.T
                yield pa.RecordBatch.from_pydict(
                    {"total": [float((centred**2).sum())], "kept": [float((kept**2).sum())]}
                )

    new = features.where(F.col("batch") > pca_id).select("features")
    row = new.mapInArrow(squares, "total double, kept double").agg(F.sum("kept"), F.sum("total")).first()
    return float(row[0] / row[1]) if row and row[1] else None
