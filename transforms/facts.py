"""The facts of a publish, which are stored in the snapshot's summary: run, inputs, model, PCA, purposes, audit result.

The purpose and legal basis of each batch of photos (GDPR Art. 5, 6) are stored as a list with bronze's snapshots:

run (--purpose, --legal-basis) + the batches before ──▶ processing_purposes: [{from, batches, purpose, legal_basis}]

An entry holds for the batches from its first one until the next entry, so the list only grows when the purpose changes.
"""

import json
from importlib.metadata import version
from typing import Any

from expectations.audit import AuditResult
from expectations.audited import Audited
from transforms.run import Run


def facts_of(run: Run, audited: Audited, result: AuditResult, inputs: str) -> dict[str, str]:
    """The properties to store in the summary of an audited change's snapshot. inputs: fingerprint of its inputs."""
    name = audited.table.name
    return {
        "run_id": run.id,
        "first": str(run.current(name) is None).lower(),
        "rows_added": str(result.rows),
        "inputs": inputs,
        "producer": f"fruitlake {version('fruitlake')}",
        **({"relabelled": json.dumps(sorted(audited.relabelled))} if audited.relabelled else {}),
        **_lineage(run, name),
        **({"processing_purposes": _purposes(run, name)} if audited.table.layer == "bronze" else {}),
        **result.properties(),
    }


def _lineage(run: Run, name: str) -> dict[str, str]:
    """The model and the PCA of the rows: bronze has neither, silver has a model, gold has both."""
    if name == "silver.image_features" and not run.erasing:
        return {"model_id": run.model_id}
    if name == "gold.pca":
        return {"model_id": run.model_id, "pca_id": run.id}
    current = run.current("gold.pca" if name.startswith("gold.") else name)
    stored = current.properties if current else {}
    return {fact: stored[fact] for fact in ("model_id", "pca_id") if fact in stored}


def _purposes(run: Run, name: str) -> str:
    """The purposes of the batches so far, and of this run's; other layers derive from bronze and need no list."""
    current = run.current(name)
    stated: list[dict[str, Any]] = json.loads(current.properties.get("processing_purposes", "[]")) if current else []
    mine = {"purpose": run.options.purpose, "legal_basis": run.options.legal_basis}
    if not run.erasing:
        if stated and stated[-1].items() >= mine.items():
            stated[-1]["batches"] += 1
        else:
            stated.append({"from": run.id, "batches": 1, **mine})
    return json.dumps(stated, ensure_ascii=False)
