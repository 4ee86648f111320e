"""Sums over a table are the same whether they are made in this process, as for a small table, or by Spark."""

import numpy as np
import pytest

from catalog import parquet
from catalog.parquet import FileScan
from catalog.scan import data_files
from tests.lakes import Lake
from transforms.covariance import moments
from transforms.label_summary import summarize
from transforms.run import Run


def _sums(run: Run) -> tuple[object, ...]:
    features = run.lake.load("silver.image_features")
    assert features is not None
    found = moments(FileScan(run.spark, data_files(features), ["features"]), "features")
    assert found is not None
    summary = sorted(summarize(run).rows.toArrow().to_pylist(), key=lambda row: row["label"])
    return found.n, found.mean, found.covariance, [row["photos"] for row in summary], [r["spread"] for r in summary]


def test_small_tables_are_summed_up_as_by_spark(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    with built.open() as run:
        tracker = run.spark.sparkContext.statusTracker()
        sums = []
        for largest in (parquet._SMALL_BYTES, 0):
            monkeypatch.setattr(parquet, "_SMALL_BYTES", largest)
            before = len(tracker.getJobIdsForGroup())
            sums.append(_sums(run))
            jobs.append(len(tracker.getJobIdsForGroup()) - before)
    assert jobs[0] < jobs[1]
    for here, by_spark in zip(*sums, strict=True):
        np.testing.assert_allclose(here, by_spark, rtol=1e-6, atol=1e-9)
