"""gold.label_summary: one row per label."""

from transforms.label_summary import summarize


def model(dbt, run):
    """Compute each label's number of photos, mean vector and spread."""
    dbt.config(materialized="published")
    dbt.ref("fruit_vectors")
    return summarize(run)
