"""gold.fruit_vectors: one row per photo."""

from transforms.gold import project


def model(dbt, run):
    """Project the features on the kept components."""
    dbt.config(materialized="published")
    return project(run, dbt.ref("image_features"), dbt.ref("pca"), dbt.is_incremental)
