"""gold.label_suspects: one row per photo that is nearer to another label's centroid."""

from transforms.suspects import suspects


def model(dbt, run):
    """Compare each vector with the centroids of all labels."""
    dbt.config(materialized="published")
    return suspects(run, dbt.ref("fruit_vectors"), dbt.ref("label_summary"))
