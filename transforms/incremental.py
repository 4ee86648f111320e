"""Find the photos that a table lacks of its upstream table: a run's cost depends on new photos, not on the lake.

upstream has only grown since the table was made of it ──▶ what was appended since (an Iceberg incremental scan) ─┐
else (photos were relabelled or erased, another model) ──▶ all of upstream ───────────────────────────────────────┴─▶
a join of ids and labels with the table
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from catalog.lake import CATALOG
from catalog.snapshots import rows_appended
from transforms.inputs import made_of
from transforms.run import Run

BROADCAST_IDS = 500_000  # ids that every task can hold: 50 MB


@dataclass(frozen=True)
class Lacking:
    """Photos that a table lacks, and those it has under another label.

    Attributes:
        count: how many it lacks.
        batches: the batches of upstream that hold them; other batches need not be read.
        image_ids: their ids, one column.
        relabelled: how many have another label there.
        corrections: image_id and label of the relabelled ones; None if there are none.
    """

    count: int
    batches: list[str]
    image_ids: DataFrame
    relabelled: int
    corrections: DataFrame | None


def lacking(run: Run, upstream: str, table: str, model_id: str = "", upstream_model: str = "") -> Lacking:
    """Compare upstream (image_id, label, batch) with the table made of it (image_id, label).

    Args:
        run: both tables are read as this run sees them.
        upstream: the table that has the photos.
        table: the table that lacks some.
        model_id: only the table's rows of this model count.
        upstream_model: only upstream's rows of this model count.
    """
    there, has = run.table(table), run.table(upstream)
    assert there is not None and has is not None  # both are published
    # the table may have some of what was appended, too: features can be kept longer than the photos they were made of
    old = there.where(_of(model_id)).select("image_id", F.col("label").alias("old_label"))
    first = made_of(table, upstream, run.snapshots, model_id)
    if first is not None and (appended := _appended_since(run, upstream, first)):
        has, count = appended
        if count < BROADCAST_IDS:  # else Spark would shuffle the table by image_id, and not only scan it
            old = old.join(F.broadcast(has.select("image_id")), "image_id", "left_semi")
    pairs = has.where(_of(upstream_model)).select("image_id", "label", "batch").join(old, "image_id", "left")
    missing, relabelled = F.col("old_label").isNull(), F.col("old_label") != F.col("label")
    lacks = run.persist(table, pairs.where(missing | relabelled))
    sums = (F.count_if(missing).alias("missing"), F.count_if(relabelled).alias("relabelled"))
    counts = lacks.groupBy("batch").agg(*sums).collect()
    return Lacking(
        sum(row.missing for row in counts),
        [row.batch for row in counts if row.missing],
        lacks.where(missing).select("image_id"),
        sum(row.relabelled for row in counts),
        lacks.where(relabelled).select("image_id", "label") if any(row.relabelled for row in counts) else None,
    )


def _of(model_id: str) -> Column:
    return F.col("model_id") == model_id if model_id else F.lit(True)


def _appended_since(run: Run, table: str, first: int) -> tuple[DataFrame, int] | None:
    """The rows appended after a snapshot, and how many; None if that is not all that has happened since."""
    last, loaded = run.snapshots[table].id, run.lake.load(table)
    count = rows_appended(loaded.metadata, first, last) if loaded and first != last else None
    if count is None:
        return None
    scan = run.spark.read.option("start-snapshot-id", str(first)).option("end-snapshot-id", str(last))
    return scan.table(f"{CATALOG}.{run.lake.identifier(table)}"), count
