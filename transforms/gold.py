"""Gold: one PCA, and every photo's vector in it.

silver (one model's features) ──fit, or the stored one──▶ gold.pca + <lake>/model/pca/<pca_id>/ ──▶ fruit_vectors
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from catalog.storage import for_spark
from catalog.tables import PCA
from transforms.explained import explained_of_new
from transforms.pca import VariancePCA, VariancePCAModel
from transforms.run import Run


def fit_pca(run: Run, features: DataFrame) -> DataFrame | None:
    """The row of gold.pca, None if the stored PCA stands: same model, same variance target, no --refit."""
    stored = run.table("gold.pca")
    current = stored.first() if stored is not None else None
    wanted = (run.featurizer.model_id, run.variance)
    if current is not None and not run.refit and (current.model_id, current.variance_target) == wanted:
        return None
    mine = _of_model(features, run.featurizer.model_id)
    pipeline = Pipeline(stages=[VariancePCA(inputCol="features", outputCol="vector", variance=run.variance)]).fit(mine)
    pipeline.write().save(_location(run, run.id))
    run.fitted = pipeline
    model = pipeline.stages[0]
    assert isinstance(model, VariancePCAModel)
    row = pa.table(
        {
            "pca_id": [run.id],
            "model_id": [run.featurizer.model_id],
            "k": [model.k],
            "variance_target": [run.variance],
            "fitted_rows": [model.rows],
            "eigenvalues": [model.eigenvalues],
            "fitted_at": [datetime.now(UTC)],
        }
    )
    return run.spark.createDataFrame(row, ", ".join(f"{c.name} {c.type}" for c in PCA.columns))


def project(run: Run, features: DataFrame, pca: DataFrame) -> DataFrame:
    """Rows for gold.fruit_vectors: the features of the PCA's model, projected."""
    row = pca.first()
    assert row is not None  # gold.pca always holds one row
    mine = _of_model(features, row.model_id)
    # what was fitted a moment ago need not be read back: three Spark jobs
    pipeline = run.fitted if run.fitted and row.pca_id == run.id else PipelineModel.load(_location(run, row.pca_id))
    model = pipeline.stages[0]
    assert isinstance(model, VariancePCAModel)
    run.explained = explained_of_new(run, mine, model, row.pca_id)
    vectors = pipeline.transform(mine.select("image_id", "label", "features"))
    return vectors.withColumn("pca_id", F.lit(row.pca_id))


def _of_model(features: DataFrame, model_id: str) -> DataFrame:
    return features.where(F.col("model_id") == model_id)


def _location(run: Run, pca_id: str) -> str:
    return for_spark(f"{run.catalog.lake}/model/pca/{pca_id}")
