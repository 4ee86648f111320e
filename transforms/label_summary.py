"""Compute size, spread and centroid of every label, in one pass over Arrow buffers, without exploding vectors.

vectors ──NumPy, per task or, if few, here──▶ (label, n, mean, Σ|x - mean|²) ──merged on the driver──▶ one row per label
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.parquet import FileScan
from catalog.scan import data_files
from catalog.tables import FRUIT_VECTORS, LABEL_SUMMARY, arrow_schema
from transforms.arrow import to_matrix
from transforms.run import BuildResult, Run

_PARTS = "label string, n bigint, mean array<double>, squares double"

Part = tuple[int, npt.NDArray[np.float64], float]  # n; mean (k,); Σ|x - mean|²


def summarize(run: Run) -> BuildResult:
    """Rows for gold.label_summary, from the current vectors."""
    table, current = run.lake.load(FRUIT_VECTORS.name), run.current(FRUIT_VECTORS.name)
    assert table is not None and current is not None  # dbt builds it first
    scan = FileScan(run.spark, data_files(table), ["label", "vector"])
    found: dict[str, Part] = {}
    parts = _parts(scan.batches()) if scan.small else scan.mapInArrow(_parts, _PARTS).toArrow().to_batches()
    for row in (row for part in parts for row in part.to_pylist()):
        _add(found, row["label"], (row["n"], np.array(row["mean"]), row["squares"]))
    photos = sum(n for n, _, _ in found.values())
    rows = [
        {
            "label": label,
            "photos": n,
            "share": n / photos,
            "spread": np.sqrt(squares / n),
            "centroid": mean,
            "pca_id": current.properties["pca_id"],
        }
        for label, (n, mean, squares) in found.items()
    ]
    arrow = pa.Table.from_pylist(rows, LABEL_SUMMARY.arrow_schema)
    return BuildResult(run.spark.createDataFrame(arrow, LABEL_SUMMARY.ddl), expected=len(rows), replace=True)


def _parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    found: dict[str, Part] = {}
    for batch in batches:
        x = to_matrix(batch["vector"]).astype(np.float64)
        labels = batch["label"].dictionary_encode()
        codes = labels.indices.to_numpy()
        for code, label in enumerate(labels.dictionary.to_pylist()):
            mine = x[codes == code]
            mean = mine.mean(axis=0)
            _add(found, label, (len(mine), mean, float(((mine - mean) ** 2).sum())))
    rows = [{"label": label, "n": n, "mean": mean, "squares": squares} for label, (n, mean, squares) in found.items()]
    yield pa.RecordBatch.from_pylist(rows, arrow_schema(_PARTS))


def _add(found: dict[str, Part], label: str, part: Part) -> None:
    """Merge a part into the label's, around their own means, so that large means do not cancel small spreads."""
    if label in found:
        (n, mean, squares), (m, other, more) = found[label], part
        between = other - mean
        part = (n + m, mean + between * (m / (n + m)), squares + more + float(between @ between) * n * m / (n + m))
    found[label] = part
