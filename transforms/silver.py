"""Silver: features of the photos this model has not seen yet."""

from __future__ import annotations

import math

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.featurizer import featurize
from transforms.run import Run

_PHOTOS_A_TASK = 512  # some seconds of work: small enough to balance, large enough for a useful file


def new_features(run: Run, images: DataFrame) -> DataFrame | None:
    """Rows for silver.image_features, None if this model has featurized every photo."""
    known = run.table("silver.image_features")
    todo = images
    if known is not None:
        mine = known.where(F.col("model_id") == run.featurizer.model_id).select("image_id")
        todo = images.join(mine, "image_id", "left_anti")
    photos = todo.count()
    if not photos:
        return None
    slots = run.spark.sparkContext.defaultParallelism
    tasks = min(photos, slots * math.ceil(photos / (slots * _PHOTOS_A_TASK)))
    # by image_id, a hash: even tasks whatever the bronze files look like, and the same ones at a retry
    rows = featurize(todo.repartition(tasks, "image_id"), run.featurizer)
    run.expect(photos)
    return rows.withColumn("model_id", F.lit(run.featurizer.model_id))
