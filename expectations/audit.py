"""The audit between writing a table's next snapshot and publishing it: a snapshot that fails is never published.

check_schema(rows) ─▶ write ─▶ validate ─▶ publish
                                 │
      contracts.py (pandera: every row) ─▶ suites.py (Great Expectations: the rows together)
"""

import time
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from catalog.errors import AuditError
from catalog.parquet import FileScan
from catalog.tables import Table
from expectations.audited import Audited, PcaInUse
from expectations.check_result import CheckResult, to_json
from expectations.suites import Suites
from expectations.validation import repeated_keys, repeated_keys_of_few, violations

_ONE_TASKS_ROWS = 200_000


@dataclass(frozen=True)
class AuditResult:
    """The result of a successful audit. rows: number of rows written; seconds: duration of the audit."""

    rows: int
    checks: tuple[CheckResult, ...]
    seconds: float
    pca: PcaInUse | None = None

    @property
    def warnings(self) -> list[CheckResult]:
        """The failed checks; none of them is critical once the audit has passed."""
        return [check for check in self.checks if not check.passed]

    def properties(self) -> dict[str, str]:
        """The result as snapshot properties."""
        stored = {
            "audit": to_json(self.checks),
            "audit_result": "warned" if self.warnings else "passed",
            "audit_seconds": f"{self.seconds:.2f}",
        }
        return stored | ({"pca_id": self.pca.pca_id} if self.pca else {})


def check_schema(table: Table, rows: DataFrame) -> None:
    """Raise AuditError unless rows have the table's columns with the right types."""
    found = dict(rows.dtypes)
    differ = [
        f"{c.name} is {found.get(c.name, 'missing')}, not {c.type}"
        for c in table.columns
        if found.get(c.name) != c.type
    ]
    if differ:
        raise AuditError(f"{table.name} was not published: {'; '.join(differ)} (the contract is catalog/tables.py)")


def validate(audited: Audited, scan: FileScan | DataFrame, suites: Suites) -> AuditResult:
    """Validate a change against its table's contract and suite.

    Args:
        audited: the change.
        scan: the rows that it has written, in the form that is fastest to read.
        suites: the run's Great Expectations suites.

    Raises:
        AuditError: the contract or a critical expectation failed; the change must not be published.
    """
    started = time.monotonic()
    table, written, whole = audited.table, audited.written, audited.whole
    rows, broken = violations(table, scan, audited.pca.k if audited.pca else None)
    kept = audited.previous.count if audited.previous and written is not whole else 0
    if rows + kept <= _ONE_TASKS_ROWS:
        broken += repeated_keys_of_few(table, audited.files["whole"])
        # only narrow columns are read now: of so few rows one task's work, without a shuffle
        audited = replace(audited, written=written.coalesce(1), whole=whole.coalesce(1))
    else:
        broken += repeated_keys(table, whole, written if kept else None)
    if broken:
        raise AuditError(
            f"{table.name} was not published: {'; '.join(b.in_words(rows) for b in broken)}. Readers still see the "
            "table as it was; run again, and if the error persists, see the contract in expectations/contracts.py"
        )
    contract = CheckResult("contract", "critical", True, f"{rows:,} rows", "every row keeps expectations/contracts.py")
    found = suites.validate(audited, rows, rows + kept)
    result = AuditResult(rows, (contract, *found), time.monotonic() - started, audited.pca)
    failed = [check for check in result.warnings if check.severity == "critical"]
    if failed:
        suites.write_docs()  # the run ends here; its Data Docs say why
        raise AuditError(
            f"{table.name} was not published: {'; '.join(map(str, failed))}. Readers still see the table as it was; "
            "check what changed in its inputs, or roll back to the snapshot it should be compared with (`fruitlake "
            "catalog rollback`); the limits are in expectations/suites.yml"
        )
    return result
