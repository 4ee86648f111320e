"""silver.image_features: one row per photo and model."""

from transforms.silver import new_features


def model(dbt, run):
    """Append the features of photos that this model has not featurized yet."""
    dbt.config(materialized="published")
    return new_features(run, dbt.ref("images"), dbt.is_incremental)
