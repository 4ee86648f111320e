"""gold.pca: one row, the PCA in use."""

from transforms.gold import fit_pca


def model(dbt, run):
    """Fit a PCA if there is none, or if a new one is requested."""
    dbt.config(materialized="published", meta={"always_run": True})
    return fit_pca(run, dbt.ref("image_features"), dbt.is_incremental)
