"""Queries of the report on the lake's tables. Every result has a limit."""

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from expectations.report.contents import Label, Quarantine

MAX_LABELS = 2_000
MAX_POINTS = 1_500
MAX_PAIRS = 12
MAX_SUSPECTS = 24
MAX_FILES = 200


def labels(summary: DataFrame) -> tuple[Label, ...]:
    """The labels with the most photos in gold.label_summary, sorted by name."""
    rows = summary.orderBy(F.desc("photos"), "label").limit(MAX_LABELS).collect()
    return tuple(Label(r.label, r.photos, r.spread, tuple(r.centroid)) for r in sorted(rows, key=lambda r: r.label))


def labels_of_photos(images: DataFrame) -> tuple[Label, ...]:
    """The same from bronze.images if there is no gold yet, without spread and centroid."""
    counted = images.groupBy("label").agg(F.count("*").alias("photos"))
    return labels(counted.withColumns({"spread": F.lit(None), "centroid": F.array()}))


def points(vectors: DataFrame) -> list[Row]:
    """Sample up to MAX_POINTS photos, evenly from all labels, with their first two components.

    Within a label, photos are taken in order of image_id. It is a hash, so the sample is random, but stable.
    """
    turn = F.row_number().over(Window.partitionBy("label").orderBy("image_id"))
    axes = [F.coalesce(F.get("vector", F.lit(i)), F.lit(0.0)).cast("double").alias(n) for i, n in enumerate("xy")]
    dealt = vectors.select("image_id", "label", *axes, turn.alias("turn")).where(F.col("turn") <= MAX_POINTS)
    return dealt.orderBy("turn", "label").limit(MAX_POINTS).drop("turn").collect()


def pairs(similarity: DataFrame) -> list[Row]:
    """The most similar pairs of labels, each pair once."""
    once = similarity.where((F.col("label") < F.col("other_label")) & F.col("cosine").isNotNull())
    return once.orderBy(F.desc("cosine"), "label", "other_label").limit(MAX_PAIRS).collect()


def suspects(found: DataFrame) -> list[Row]:
    """The most suspicious photos: those with the smallest ratio of nearest_distance to distance."""
    return found.orderBy(F.col("nearest_distance") / F.col("distance"), "image_id").limit(MAX_SUSPECTS).collect()


def quarantined(table: DataFrame) -> Quarantine:
    """Counts by reason, and the newest MAX_FILES rejected files."""
    counted = table.groupBy("reason").agg(F.count("*").alias("files")).orderBy(F.desc("files"), "reason").collect()
    newest = table.orderBy(F.desc("quarantined_at"), "reason", "source_path").limit(MAX_FILES)
    return Quarantine(sum(row.files for row in counted), counted, newest.collect())
