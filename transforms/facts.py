"""What the audit is told of the run: its limits, its intake of files, the PCA in use."""

from __future__ import annotations

from expectations.facts import Facts, Intake, PcaInUse
from transforms.run import Run

_HOLDS_VECTORS = ("gold.fruit_vectors", "gold.label_summary")


def facts_of(run: Run, table: str, expected_rows: int | None) -> Facts:
    return Facts(
        variance=run.variance,
        max_quarantine_share=run.max_quarantine_share,
        intake=_intake(run) if table == "bronze.images" else None,
        expected_rows=expected_rows,
        pca=_pca(run) if table in _HOLDS_VECTORS else None,
        explained=run.explained if table == "gold.fruit_vectors" else None,
        erasing=run.erasing,
    )


def _intake(run: Run) -> Intake | None:
    """None if no photos were read."""
    counts = run.ingested()
    if counts is None:
        return None
    return Intake(counts.inputs, counts.quarantined, run.ingestion.new_files, run.ingestion.rejected)


def _pca(run: Run) -> PcaInUse | None:
    stored = run.table("gold.pca")
    row = stored.select("pca_id", "k").first() if stored is not None else None
    return PcaInUse(row["pca_id"], row["k"]) if row else None
