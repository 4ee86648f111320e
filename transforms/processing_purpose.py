"""Purpose and legal basis of each batch of photos (GDPR Art. 5, 6), stored in the properties of bronze's snapshots.

run (--purpose, --legal-basis) + the batches before ──▶ processing_purposes: {batch: {purpose, legal_basis}}
"""

from __future__ import annotations

import json

from transforms.run import Run


def purposes_of(run: Run, table: str) -> dict[str, str]:
    """The property for the table's next snapshot; only bronze.images has it, because all layers derive from it."""
    if not table.startswith("bronze."):
        return {}
    current = run.current(table)
    stated = json.loads(current.properties.get("processing_purposes", "{}")) if current else {}
    mine = {name: text for name, text in (("purpose", run.purpose), ("legal_basis", run.legal_basis)) if text}
    if not run.erasing:
        stated |= {run.id: mine}
    return {"processing_purposes": json.dumps(stated, ensure_ascii=False)}
