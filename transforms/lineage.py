"""Which model and which PCA a snapshot's rows were made with; stored with it, and shown by every catalog.

bronze: neither ── silver: the run's model ── gold.pca: it, and the PCA it fits ── the rest of gold: those of gold.pca
"""

from __future__ import annotations

from transforms.run import Run


def lineage_of(run: Run, table: str) -> dict[str, str]:
    """model_id and pca_id, as far as the table has them."""
    if table == "silver.image_features":
        return {"model_id": run.featurizer.model_id}
    if table == "gold.pca":
        return {"model_id": run.featurizer.model_id, "pca_id": run.id}
    pca = run.current("gold.pca") if table.startswith("gold.") else None
    stored = pca.parameters if pca else {}
    return {name: stored[name] for name in ("model_id", "pca_id") if name in stored}
