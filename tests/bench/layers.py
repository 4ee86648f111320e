"""Time one layer, or a whole run, in a session that is warm."""

import shutil
import time
from contextlib import nullcontext
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.pipeline import build, open_run
from bootstrap.reporting import report_run
from bootstrap.settings import Settings
from catalog.branch import AuditBranch
from catalog.scan import data_files
from catalog.tables import IMAGE_FEATURES
from ingestion.bronze import Ingestion
from ingestion.walk import Source
from transforms.silver import new_features

QUIET = Console(quiet=True)


def ingestion(spark: SparkSession, photos: Path, out: Path) -> float:
    """Seconds from files to checked photos in Parquet: bronze's own Spark jobs, without audit and dbt."""
    started = time.monotonic()
    source = Ingestion(spark, Source(str(photos)), None, None, "bench", lambda title, count: nullcontext())
    images = source.images()
    assert images is not None  # there are photos
    images.write.mode("overwrite").parquet(str(out))
    seconds = time.monotonic() - started
    source.close()
    return seconds


def featurization(settings: Settings) -> tuple[float, dict[str, int]]:
    """Seconds from the bronze table to features in an Iceberg branch: silver's Spark job, without audit and dbt.

    And the files that it wrote, with their sizes; the lake, which must have bronze only, does not refer to them.
    """
    with open_run(settings, QUIET) as run:
        run.featurizer  # noqa: B018  # as every run but the first has it
        started = time.monotonic()
        result = new_features(run, run.spark.table(run.lake.identifier("bronze.images")), incremental=True)
        assert result is not None  # a lake that has bronze only
        branch = AuditBranch(run.spark, run.lake, IMAGE_FEATURES, run.id, None)
        branch.append(result.rows)
        seconds = time.monotonic() - started
        table = run.lake.load(IMAGE_FEATURES.name)
        assert table is not None  # it was written a moment ago
        written = table.snapshot_by_name(branch.name)
        assert written is not None
        features = data_files(table, written.snapshot_id)
        branch.drop()
        return seconds, features


def end_to_end(settings: Settings) -> tuple[float, float, dict[str, float]]:
    """Seconds of what `fruitlake run` does, its report included: with new photos, and again without any.

    And the seconds of its audits, by table. The lake is removed.
    """
    moments, audits = [time.monotonic()], dict[str, float]()
    for _ in range(2):
        run = build(settings, "all", QUIET)
        report_run(run, QUIET)
        moments.append(time.monotonic())
        new = (outcome.snapshot for outcome in run.outcomes.values() if outcome.new)
        audits |= {snapshot.table: float(snapshot.properties["audit_seconds"]) for snapshot in new if snapshot}
    shutil.rmtree(settings.lake)
    return moments[1] - moments[0], moments[2] - moments[1], audits
