"""Purpose and legal basis of each batch of photos (GDPR Art. 5, 6), stored in the properties of bronze's snapshots.

run (--purpose, --legal-basis) + the batches before ──▶ processing_purposes: [{from, batches, purpose, legal_basis}]

An entry holds for the batches from its first one until the next entry, so the list only grows when the purpose changes.
"""

from __future__ import annotations

import json
from typing import Any

from transforms.run import Run


def purposes_of(run: Run, table: str) -> dict[str, str]:
    """The property for the table's next snapshot; only bronze has it, because all layers derive from it."""
    if not table.startswith("bronze."):
        return {}
    current = run.current(table)
    stated: list[dict[str, Any]] = json.loads(current.properties.get("processing_purposes", "[]")) if current else []
    mine = {"purpose": run.purpose, "legal_basis": run.legal_basis}
    if not run.erasing:
        if stated and stated[-1].items() >= mine.items():
            stated[-1]["batches"] += 1
        else:
            stated.append({"from": run.id, "batches": 1, **mine})
    return {"processing_purposes": json.dumps(stated, ensure_ascii=False)}
