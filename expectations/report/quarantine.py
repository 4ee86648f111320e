"""Query of the report on bronze.quarantine: counts by reason, and the newest files."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from expectations.report.contents import Quarantine, RejectedFile

MAX_FILES = 200


def quarantined(table: DataFrame) -> Quarantine:
    """Counts by reason, and the newest MAX_FILES rejected files."""
    counted = table.groupBy("reason").agg(F.count("*").alias("files")).orderBy(F.desc("files"), "reason").collect()
    newest = table.orderBy(F.desc("quarantined_at"), "reason", "source_path").limit(MAX_FILES)
    rows = newest.select("source_path", "label", "reason", "detail", "size").collect()
    return Quarantine(
        total=sum(r.files for r in counted),
        reasons=tuple((r.reason, r.files) for r in counted),
        rows=tuple(RejectedFile(r.source_path, r.label, r.reason, r.detail or "", r["size"]) for r in rows),
    )
