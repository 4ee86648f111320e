"""Find photos that may have the wrong label: those that are nearer to another label's centroid than to their own.

|x - c|² = |x|² - 2 x·c + |c|²: one matrix product per Arrow batch. In SQL, Spark would interpret a lambda for every
photo, label and component.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from catalog.parquet import FileScan
from catalog.scan import data_files, dataset
from catalog.tables import FRUIT_VECTORS, LABEL_SUMMARY, LABEL_SUSPECTS
from transforms.arrow import to_matrix
from transforms.run import BuildResult, Run


def suspects(run: Run, vectors: DataFrame, summary: DataFrame) -> BuildResult:
    """Rows for gold.label_suspects, from the current vectors and centroids."""
    known = dataset(run.lake, LABEL_SUMMARY.name).to_table(["label", "centroid"]).combine_chunks()
    labels = known["label"].to_pylist()
    centroids = to_matrix(known["centroid"].combine_chunks()) if labels else np.empty((0, 0))
    index = {label: row for row, label in enumerate(labels)}
    lengths = (centroids**2).sum(axis=1)

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x = to_matrix(batch["vector"]).astype(np.float64)
            squares = (x**2).sum(axis=1, keepdims=True) - 2 * x @ centroids.T + lengths
            distances = np.sqrt(np.clip(squares, 0, None))
            rows = np.arange(len(x))
            own = distances[rows, [index[label] for label in batch["label"].to_pylist()]]
            nearest = distances.argmin(axis=1)
            least = distances[rows, nearest]
            columns = {
                "image_id": batch["image_id"],
                "label": batch["label"],
                "distance": own,
                "nearest_label": pa.array([labels[i] for i in nearest], pa.string()),
                "nearest_distance": least,
                "pca_id": batch["pca_id"],
            }
            yield pa.RecordBatch.from_pydict(columns).filter(pa.array(least < own))

    table = run.lake.load(FRUIT_VECTORS.name)
    assert table is not None  # dbt builds it first
    scan = FileScan(run.spark, data_files(table), ["image_id", "label", "pca_id", "vector"])
    return BuildResult(scan.mapInArrow(find, LABEL_SUSPECTS.ddl).coalesce(1), replace=True)
