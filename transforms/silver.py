"""Silver: compute features of photos that this model has not featurized yet."""

import math

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.errors import RunError
from transforms.featurizer import featurize
from transforms.incremental import BROADCAST_IDS, Lacking, lacking
from transforms.run import BuildResult, Run

_IMAGES = "bronze.images"
PHOTOS_PER_TASK = 512  # a few seconds of work, and a file of useful size
_PHOTOS_PER_SLOT = 40_000  # per commit, unless --commit-every is given: three to six minutes of work in fp32
_TASKS_PER_SLOT = 6  # at least, so that slots do not wait long for the last task
_FEWEST_PHOTOS_PER_TASK = 64


def new_features(run: Run, images: DataFrame, incremental: bool) -> BuildResult | None:
    """Rows for silver.image_features, for at most --commit-every photos, so that a killed run loses no more than that.

    None if this model has featurized every photo with its current label. If not incremental, all of bronze is
    featurized at once and replaces the table.
    """
    first = not incremental or run.current("silver.image_features") is None
    if first:
        lacks, photos = Lacking(run.snapshots[_IMAGES].rows, [], images.select("image_id"), 0, None), images
    else:
        lacks = lacking(run, _IMAGES, "silver.image_features", run.model_id)
        photos = images.where(F.col("batch").isin(lacks.batches))
    ids, count = lacks.image_ids, lacks.count
    if not count and lacks.corrections is None:
        check_photos(run)
        return None
    slots = run.spark.sparkContext.defaultParallelism
    most = run.options.commit_every or slots * _PHOTOS_PER_SLOT
    if more := incremental and count > most:
        ids, count = ids.orderBy("image_id").limit(most), most
    if more or not first:
        photos = photos.join(F.broadcast(ids) if count < BROADCAST_IDS else ids, "image_id", "left_semi")
    # by image_id, a hash: tasks are even, regardless of bronze's files, and the same in a retry
    rows = featurize(photos.repartition(_tasks(count, slots), "image_id"), run.featurizer, run.options.device)
    added = rows.withColumns({"model_id": F.lit(run.model_id), "batch": F.lit(run.id)})
    expected = count + lacks.relabelled
    return BuildResult(added, lacks.corrections, expected, replace=not incremental, more=more)


def check_photos(run: Run) -> None:
    """Raise RunError if there are no photos to featurize, and no features yet."""
    if not run.snapshots[_IMAGES].rows:
        quarantine = run.current("bronze.quarantine")
        raise RunError(
            f"bronze has no photo: all {quarantine.rows:,} files are in bronze.quarantine, each with its reason"
            if quarantine and quarantine.rows
            else "bronze has no photo yet: run `fruitlake run bronze --images …` first"
        )


def _tasks(photos: int, slots: int) -> int:
    """Number of tasks: full rounds that keep every slot busy to the end."""
    rounds = max(math.ceil(photos / (slots * PHOTOS_PER_TASK)), _TASKS_PER_SLOT)
    return max(1, min(slots * rounds, math.ceil(photos / _FEWEST_PHOTOS_PER_TASK)))
