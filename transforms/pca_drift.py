"""Measure PCA drift: how much of the variance of newly added photos the stored PCA explains.

features ──(x - mean)──▶ per photo |(x - mean) · componentsᵀ|² / the photos' average |x - mean|²
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from catalog.scan import FileScan
from transforms.arrow import to_matrix
from transforms.pca import VariancePCAModel


def explained(features: FileScan, model: VariancePCAModel) -> DataFrame:
    """image_id, and `explained`: its mean is the share of the photos' variance around the PCA's mean, 0 to 1."""
    mean, components = model.mean, model.components

    def squares(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                centred = to_matrix(batch["features"]) - mean
                total, kept = (centred**2).sum(axis=1), ((centred @ components.T) ** 2).sum(axis=1)
                yield pa.RecordBatch.from_pydict({"image_id": batch["image_id"], "kept": kept, "total": total})

    photos = features.mapInArrow(squares, "image_id string, kept double, total double")
    average = F.avg("total").over(Window.partitionBy())
    share = F.coalesce(F.try_divide("kept", average), F.lit(1.0))  # without variance, nothing is lost
    return photos.select("image_id", share.alias("explained"))
