"""Gold: one PCA, and every photo's vector in it.

silver (one model's features) ──fit, or the stored one──▶ gold.pca ──▶ fruit_vectors: new photos are appended, and all
                                                                       are projected again when the PCA is another
"""

from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, In
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from catalog.errors import RunError
from catalog.parquet import FileScan
from catalog.scan import data_files
from catalog.stored_pca import load_pca
from catalog.tables import PCA
from transforms.incremental import lacking
from transforms.pca import VariancePCA, VariancePCAModel
from transforms.run import BuildResult, Run

_VECTORS = "gold.fruit_vectors"
_FEATURES = "silver.image_features"
_KEPT = StructType([StructField("image_id", StringType()), StructField("label", StringType())])


def fit_pca(run: Run, features: DataFrame, incremental: bool) -> BuildResult | None:
    """The new row of gold.pca; None to keep the stored PCA: incremental, same model and variance target, no --refit.

    Raises RunError if silver is empty.
    """
    if not run.snapshots[_FEATURES].rows:
        raise RunError("gold is made of silver, which has no features: run `fruitlake run silver` first")
    stored = load_pca(run.lake) if run.current(PCA.name) else None
    wanted = (run.model_id, run.options.variance)
    if stored and incremental and not run.options.refit and (stored.model_id, stored.variance_target) == wanted:
        return None
    mine = _scan(run, run.model_id, ["features"])
    model = VariancePCA(run.options.variance).fit_scan(mine)
    row = pa.table(
        {
            "pca_id": [run.id],
            "model_id": [run.model_id],
            "k": [model.k],
            "variance_target": [run.options.variance],
            "fitted_rows": [model.rows],
            "eigenvalues": [model.eigenvalues],
            "mean": [model.mean],
            "components": [list(model.components)],
            "fitted_at": [datetime.now(UTC)],
        }
    )
    return BuildResult(run.spark.createDataFrame(row, PCA.ddl), expected=1, replace=True)


def project(run: Run, features: DataFrame, pca: DataFrame, incremental: bool) -> BuildResult | None:
    """Rows for gold.fruit_vectors: photos without a vector of the PCA in use, or all photos if not incremental.

    None if there are none.
    """
    stored = load_pca(run.lake)
    model = VariancePCAModel(stored.mean, stored.components, stored.eigenvalues, stored.fitted_rows)
    current = run.current(_VECTORS)
    replace = current is None or not incremental or current.properties.get("pca_id") != stored.pca_id
    if replace:
        scan = _scan(run, stored.model_id, ["image_id", "label", "features"])
        return BuildResult(_vectors(model, scan, stored.pca_id), replace=True)
    lacks = lacking(run, _FEATURES, _VECTORS, upstream_model=stored.model_id)
    if not lacks.count and lacks.corrections is None:
        return None
    new = _scan(run, stored.model_id, ["image_id", "label", "features"], lacks.batches)
    # a batch may have been partly projected
    rows = _vectors(model, new, stored.pca_id).join(lacks.image_ids, "image_id", "left_semi")
    shares = model.explained(new) if lacks.count else None
    return BuildResult(rows, lacks.corrections, expected=lacks.count + lacks.relabelled, explained=shares)


def _vectors(model: VariancePCAModel, features: FileScan, pca_id: str) -> DataFrame:
    return model.project(features, _KEPT).withColumn("pca_id", F.lit(pca_id))


def _scan(run: Run, model_id: str, columns: list[str], batches: list[str] | None = None) -> FileScan:
    """Scan one model's features, of some batches or all, in the files of silver's current snapshot."""
    silver = run.lake.load(_FEATURES)
    assert silver is not None  # dbt builds it first
    chosen = AlwaysTrue() if batches is None else In("batch", batches)  # type: ignore[misc,call-arg,arg-type]
    return FileScan(run.spark, data_files(silver, row_filter=chosen), columns, ("model_id", model_id))
