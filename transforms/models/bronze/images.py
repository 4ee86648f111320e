"""bronze.images: one row per distinct photo."""

from transforms.run import BuildResult


def model(dbt, run):
    """Append new photos, and correct the labels of photos that moved."""
    dbt.config(materialized="published", full_refresh=False, meta={"always_run": True})
    dbt.ref("quarantine")  # rejected files are recorded before accepted ones become visible
    photos = run.read()
    rows = photos.images()
    if rows is not None or run.current("bronze.images") is None:
        photos.check_quarantined(run.options.max_quarantine_share)
    return None if rows is None else BuildResult(rows, corrections=photos.corrections())
