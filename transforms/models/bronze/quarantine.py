"""bronze.quarantine: one row per rejected source file and version of it."""

from transforms.run import BuildResult


def model(dbt, run):
    """Append the files that were rejected for the first time."""
    dbt.config(materialized="published", full_refresh=False, meta={"always_run": True})
    rows = run.read().quarantine()
    return None if rows is None else BuildResult(rows)
