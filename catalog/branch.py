"""Write, audit and publish on an Iceberg branch, as every change of a table does.

    create branch audit_<run> at the snapshot that the run began with
      ──append | overwrite | delete──▶ audit the branch ──▶
    one commit: an empty snapshot with the audit's result, fast-forward main, drop the branch
                                          refused if another run moved main; then nothing of ours is published

Readers follow `main`, so they never see rows that were not audited.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from py4j.protocol import Py4JJavaError
from pyiceberg.table import Table as IcebergTable
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from catalog.errors import ConcurrentPublishError
from catalog.lake import CATALOG, Lake
from catalog.scan import data_files
from catalog.snapshots import PROPERTY, Snapshot
from catalog.tables import TABLES, Table

T = TypeVar("T")
BRANCH = "audit_"  # prefix of the names of audit branches
_TRIES = 8  # Iceberg does not retry a branch operation when another process commits first


class AuditBranch:
    """A branch of one table that starts from the snapshot that `main` pointed to when the run began.

    Args:
        base: the table's snapshot that the run works from; None if it was never published.
    """

    def __init__(self, spark: SparkSession, lake: Lake, table: Table, run_id: str, base: Snapshot | None) -> None:
        self._spark = spark
        self._lake = lake
        self._table = table
        self._base = base
        self._main = f"{CATALOG}.{lake.identifier(table.name)}"
        self.name = branch_name(run_id)
        self._branch = f"{self._main}.branch_{self.name}"
        lake.create(table)
        at = [base.id] if base else []  # an empty table gets an empty snapshot
        _retried(lambda: self._java_table().manageSnapshots().createBranch(self.name, *at).commit())
        self._dropped = False
        # without a base, the branch would start from another run's rows
        if base is None and self._java_table().currentSnapshot() is not None:
            self.drop()
            raise overtaken(table.name)

    def append(self, rows: DataFrame) -> None:
        """Append rows to the branch."""
        self._in_order(rows).writeTo(self._branch).append()

    def overwrite(self, rows: DataFrame) -> None:
        """Replace all rows of the table."""
        self._in_order(rows).writeTo(self._branch).overwrite(F.lit(True))

    def correct(self, corrections: DataFrame) -> None:
        """Update the rows with the same image_id: set the other columns of the corrections."""
        view = f"corrections_of_{self._table.name.replace('.', '_')}"
        corrections.createOrReplaceTempView(view)
        values = ", ".join(f"t.`{c}` = c.`{c}`" for c in corrections.columns if c != "image_id")
        _sql(
            self._spark,
            f"MERGE INTO {self._branch} AS t USING {view} AS c ON t.image_id = c.image_id "
            f"WHEN MATCHED THEN UPDATE SET {values}",
        )

    def delete(self, condition: str) -> None:
        """Delete the rows for which a SQL condition is true."""
        _sql(self._spark, f"DELETE FROM {self._branch} WHERE {condition}")

    def rows(self) -> DataFrame:
        """All rows of the branch: the table as it will be published."""
        return self._spark.table(self._branch)

    def added(self) -> DataFrame:
        """Only the rows appended since the snapshot that the branch started from."""
        if self._base is None:
            return self.rows()
        head = str(self._java_table().snapshot(self.name).snapshotId())
        scan = self._spark.read.option("start-snapshot-id", str(self._base.id)).option("end-snapshot-id", head)
        return scan.table(self._main)

    def files(self) -> dict[str, int]:
        """Data files of the branch: size in bytes by URI."""
        loaded = self._loaded()
        return data_files(loaded, loaded.refs()[self.name].snapshot_id)

    def new_files(self) -> dict[str, int]:
        """Data files added on the branch: size in bytes by URI."""
        before = data_files(self._loaded(), self._base.id) if self._base else {}
        return {uri: size for uri, size in self.files().items() if uri not in before}

    def fast_forward(self, facts: Mapping[str, str] | None = None) -> None:
        """Make the branch what readers see. Raises ConcurrentPublishError if main is no longer its base.

        facts: properties of an empty snapshot to add to the branch, among them the audit's result; none for a
        compaction, whose snapshot has them already.
        """
        # not by the SQL procedure: it replaces the plans of all cached rows that were read from this table by new ones,
        # so that the rows are computed again, and `unpersist` no longer finds them
        try:
            _retried(lambda: self._fast_forward(facts))
        except (PySparkException, Py4JJavaError) as error:
            if "ancestor" not in str(error):
                raise
            raise overtaken(self._table.name) from error
        self._dropped = True

    def _fast_forward(self, facts: Mapping[str, str] | None) -> None:
        transaction = self._java_table().newTransaction()
        if facts:
            sealed = transaction.newFastAppend().toBranch(self.name)
            for name, value in facts.items():
                sealed = sealed.set(f"{PROPERTY}{name}", value)
            sealed.commit()
        transaction.manageSnapshots().fastForwardBranch("main", self.name).removeBranch(self.name).commit()
        transaction.commitTransaction()

    def drop(self) -> None:
        """Drop the branch, unless it was fast-forwarded."""
        if not self._dropped:
            _sql(self._spark, f"ALTER TABLE {self._main} DROP BRANCH IF EXISTS `{self.name}`")
            self._dropped = True

    def _loaded(self) -> IcebergTable:
        loaded = self._lake.load(self._table.name)
        assert loaded is not None  # the branch exists
        return loaded

    def _in_order(self, rows: DataFrame) -> DataFrame:
        return rows.select([c.name for c in self._table.columns])

    def _java_table(self) -> Any:
        return java_table(self._spark, self._lake, self._table.name)


def branch_name(run_id: str) -> str:
    """The name of a run's audit branch."""
    return BRANCH + run_id.replace("-", "_")


def begun(branch: str) -> datetime:
    """When the run of an audit branch began, to the second; branches are named after their run."""
    return datetime.strptime(branch.removeprefix(BRANCH)[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def java_table(spark: SparkSession, lake: Lake, table: str) -> Any:
    """Iceberg's Java Table, for operations that have no SQL."""
    jvm: Any = spark.sparkContext._jvm
    load = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable
    return load(spark._jsparkSession, f"{CATALOG}.{lake.identifier(table)}")


def overtaken(table: str) -> ConcurrentPublishError:
    """The error of a run whose table another run has published in the meantime."""
    return ConcurrentPublishError(
        f"{table} was published by another run during this one, so this run's version was dropped: run again; "
        "tables that are published already are kept and not built twice"
    )


def drop_branches(spark: SparkSession, lake: Lake, keep: Callable[[str], bool]) -> None:
    """Drop all audit branches but those for whose name `keep` is true."""
    for table in TABLES:
        loaded = lake.load(table)
        for name in loaded.refs() if loaded else ():
            if name.startswith(BRANCH) and not keep(name):
                _sql(spark, f"ALTER TABLE {CATALOG}.{lake.identifier(table)} DROP BRANCH IF EXISTS `{name}`")


def _sql(spark: SparkSession, statement: str) -> None:
    _retried(lambda: spark.sql(statement))


def _retried(operation: Callable[[], T]) -> T:
    """Retry an operation while another process commits first. Raises the error of the last attempt."""
    for tried in range(1, _TRIES + 1):
        try:
            return operation()
        except (PySparkException, Py4JJavaError) as error:
            if tried == _TRIES or not any(name in str(error) for name in ("CommitFailedException", "AlreadyExists")):
                raise
            time.sleep(0.05 * 2**tried)
    raise AssertionError("the loop returns or raises")
