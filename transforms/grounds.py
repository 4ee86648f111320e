"""What the photos of each batch are kept for, and on which legal basis: stored with the snapshots of bronze.

run (--purpose, --legal-basis) + the batches before ──▶ parameter `grounds`: {batch: {purpose, legal_basis}}
"""

from __future__ import annotations

import json

from transforms.run import Run


def grounds_of(run: Run, table: str) -> dict[str, str]:
    """The parameter for the table's next snapshot; only bronze has it, since the other layers are made of bronze."""
    if not table.startswith("bronze."):
        return {}
    current = run.current(table)
    stated = json.loads(current.parameters.get("grounds", "{}")) if current else {}
    kept = {batch: grounds for batch, grounds in stated.items() if current and batch in current.partitions}
    mine = {name: text for name, text in (("purpose", run.purpose), ("legal_basis", run.legal_basis)) if text}
    return {"grounds": json.dumps(kept | ({run.id: mine} if mine else {}), ensure_ascii=False)}
