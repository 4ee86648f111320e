"""The audit between writing a table's next snapshot and publishing it: a snapshot that fails is never published.

check_schema(rows) ─▶ write ─▶ validate ─▶ publish
                                 │
      contracts.py (pandera: every row, in the executors) ─▶ suites.py (Great Expectations: the rows together)
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyarrow.dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType

from catalog.errors import AuditError
from catalog.scan import FileScan
from catalog.tables import Table
from expectations.check_result import CheckResult, to_json
from expectations.context import AuditContext, PcaInUse, Previous
from expectations.parameters import Audited
from expectations.suites import Suites
from expectations.validation import Violation, repeated_keys, repeated_keys_of_few, violations

_ONE_TASKS_ROWS = 200_000

__all__ = ["AuditContext", "AuditResult", "Previous", "check_schema", "validate"]


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
    expected = {c.name: c.type for c in table.columns}
    found = {field.name: _plain(field.dataType).simpleString() for field in rows.schema if field.name in expected}
    differ = [
        f"{name} is {found.get(name, 'missing')}, not {kind}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if differ:
        raise AuditError(f"{table.name} was not published: {'; '.join(differ)} (the contract is catalog/tables.py)")


def validate(
    table: Table,
    scan: FileScan | DataFrame,
    written: DataFrame,
    whole: DataFrame,
    files: ds.Dataset,
    previous: Previous | None,
    context: AuditContext,
    suites: Suites,
) -> AuditResult:
    """Validate a change against the table's contract and suite.

    Args:
        table: the table being changed.
        scan: the rows added by the change, in the form that is fastest to read; empty for a deletion.
        written: the same rows as a DataFrame.
        whole: the table after the change; the same DataFrame as written if the whole table is replaced.
        files: the same table's data files.
        previous: the table as readers see it, None if it was never published.
        context: facts about the run that cannot be read from the rows.
        suites: the run's Great Expectations suites.

    Raises:
        AuditError: the contract or a critical expectation failed; the change must not be published.
    """
    started = time.monotonic()
    rows, broken = violations(table, scan, context.pca.k if context.pca else None)
    kept = previous.count if previous and written is not whole else 0
    few = rows + kept <= _ONE_TASKS_ROWS
    if few:  # from here on only narrow columns are read: of so few rows one task's work, without a shuffle
        written, whole = written.coalesce(1), whole.coalesce(1)
    broken += repeated_keys_of_few(table, files) if few else repeated_keys(table, whole, written if kept else None)
    if broken:
        raise AuditError(
            f"{table.name} was not published: {'; '.join(_in_words(b, rows) for b in broken)}. Readers still see the "
            "table as it was; run again, and if the error persists, see the contract in expectations/contracts.py"
        )
    contract = CheckResult("contract", "critical", True, f"{rows:,} rows", "every row keeps expectations/contracts.py")
    audited = Audited(written, whole, previous, context)
    found = suites.validate(table, audited, rows, rows + kept)
    result = AuditResult(rows, (contract, *found), time.monotonic() - started, context.pca)
    failed = [check for check in result.warnings if check.severity == "critical"]
    if failed:
        suites.write_docs()  # the run ends here; its Data Docs say why
        raise AuditError(
            f"{table.name} was not published: {'; '.join(map(str, failed))}. Readers still see the table as it was; "
            "check what changed in its inputs, or roll back to the snapshot it should be compared with (`fruitlake "
            "catalog rollback`); the limits are in expectations/suites.yml"
        )
    return result


def _in_words(broken: Violation, rows: int) -> str:
    keys = " · ".join(broken.examples)
    return f"column {broken.column} breaks {broken.check} in {broken.rows:,} of {rows:,} rows, for example {keys}"


def _plain(kind: DataType) -> DataType:
    """Ignore the type's nullability, which Parquet does not keep."""
    return ArrayType(_plain(kind.elementType), True) if isinstance(kind, ArrayType) else kind
