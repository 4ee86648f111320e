"""The gate between write and register: a snapshot that breaks its contract is never published.

check_schema(rows) ─▶ write ─▶ audit ─▶ register
                                 │
      contracts.py (pandera: every row) ─▶ statistics.py ─▶ suites.py (Great Expectations: the whole)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType, StructType

from catalog.errors import AuditError
from catalog.snapshot import Snapshot
from catalog.tables import Table
from expectations.contracts import check_contract
from expectations.facts import Facts, PcaInUse
from expectations.outcome import Outcome
from expectations.statistics import STATISTICS, Previous
from expectations.suites import Suites

QUARANTINED = "quarantined_share"


@dataclass(frozen=True)
class AuditResult:
    """What an audit that let a snapshot pass has found. rows: how many were written."""

    rows: int
    outcomes: tuple[Outcome, ...]
    pca: PcaInUse | None = None

    @property
    def warnings(self) -> list[Outcome]:
        return [o for o in self.outcomes if not o.passed]

    def parameters(self) -> dict[str, str]:
        """What is stored with the snapshot."""
        outcomes = json.dumps([asdict(o) for o in self.outcomes], ensure_ascii=False, separators=(",", ":"))
        stored = {"audit": outcomes, "audit_result": "warned" if self.warnings else "passed"}
        return stored | ({"pca_id": self.pca.pca_id} if self.pca else {})


def check_schema(table: Table, rows: DataFrame) -> None:
    """Raise AuditError unless rows have the stored columns, and the partition column, with their types."""
    expected = {c.name: c.type for c in table.columns if table.mode == "replace" or c.name != table.partition}
    found = {field.name: _plain(field.dataType).simpleString() for field in rows.schema if field.name in expected}
    differ = [
        f"{name} is {found.get(name, 'missing')}, not {kind}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if differ:
        raise AuditError(f"{table.name} was not published: {'; '.join(differ)} (the contract is catalog/tables.py)")


def audit(
    table: Table,
    written: DataFrame,
    current: Snapshot | None,
    current_rows: DataFrame | None,
    facts: Facts,
    suites: Suites,
) -> AuditResult:
    """Judge what was written for a table, against its contract and against what is normal for it.

    current and current_rows are the table as readers see it, None if it was never published.
    Raises AuditError if the snapshot must not be published.
    """
    kept = current_rows if table.mode == "append" and table.partition not in table.key else None
    tally = check_contract(table, written, kept, facts.pca.k if facts.pca else None)
    passed = Outcome("contract", "error", True, f"{tally.rows:,} rows", f"{len(tally.broken) + 1} rules")
    if table.name not in STATISTICS:
        return AuditResult(tally.rows, (passed,), facts.pca)
    previous = None
    if current is not None and current_rows is not None:
        previous = Previous(current_rows, current.rows, current.parameters.get("pca_id"))
    numbers = STATISTICS[table.name](written, tally.rows, previous, facts)
    result = AuditResult(tally.rows, (passed, *suites.judge(table.name, numbers, facts)), facts.pca)
    errors = [o for o in result.outcomes if o.severity == "error" and not o.passed]
    if errors:
        suites.write_docs()  # the run ends here; its Data Docs say why
        raise AuditError(_refusal(table, errors, facts))
    return result


def _refusal(table: Table, errors: list[Outcome], facts: Facts) -> str:
    found = "; ".join(str(o) for o in errors)
    if facts.intake and any(o.check == QUARANTINED for o in errors):
        advice = (
            f"{facts.intake.quarantined:,} of {facts.intake.files:,} files cannot be used: bronze.quarantine keeps "
            "each with its reason; mend or remove them, or allow more with --max-quarantine-share"
        )
    else:
        advice = (
            "what was current still is; see what changed in its inputs, or go back to the snapshot it should be "
            "compared with (`fruitlake catalog rollback`); the limits are expectations/thresholds.yml"
        )
    return f"{table.name} was not published: {found}. {advice[0].upper()}{advice[1:]}"


def _plain(kind: DataType) -> DataType:
    """The type without its nullability, which Parquet does not keep."""
    if isinstance(kind, ArrayType):
        return ArrayType(_plain(kind.elementType), True)
    return StructType([]) if isinstance(kind, StructType) else kind
