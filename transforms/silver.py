"""Silver: features of the photos this model has not seen yet."""

from __future__ import annotations

import math

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.featurizer import featurize
from transforms.run import Run

_PHOTOS_A_TASK = 512  # some seconds of work, and a useful file
_TASKS_A_SLOT = 6  # at least, so that no slot waits long for the last one
_FEWEST_PHOTOS_A_TASK = 64


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
    # by image_id, a hash: even tasks whatever the bronze files look like, and the same ones at a retry
    rows = featurize(todo.repartition(_tasks(photos, slots), "image_id"), run.featurizer)
    run.expect(photos)
    return rows.withColumn("model_id", F.lit(run.featurizer.model_id))


def _tasks(photos: int, slots: int) -> int:
    """Rounds of tasks that keep every slot busy to the end."""
    rounds = max(math.ceil(photos / (slots * _PHOTOS_A_TASK)), _TASKS_A_SLOT)
    return min(slots * rounds, math.ceil(photos / _FEWEST_PHOTOS_A_TASK))
