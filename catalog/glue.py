"""The catalog of a lake in S3: AWS Glue, where Athena and others look, holds the pointers.

<lake>/_catalog/<table>/<id>.json       every snapshot, immutable (entries.py)
<prefix>_<layer>.<table> in Glue        the pointer is the table's parameter snapshot_id

publish: entry ─▶ new and changed partitions ─▶ the table, if its VersionId still is the one seen ─▶ old partitions go

Readers of Fruitlake follow the pointer, and see a whole snapshot or the one before. Athena reads partitions as they
are: while a publish is under way, or was killed, some labels are the new snapshot's and some the old one's, each label
whole. `repair`, which every run calls first, makes Glue say again what the pointers say.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from catalog import aws
from catalog.entries import Entries, check_forgettable, check_parent
from catalog.errors import AwsError, CatalogError
from catalog.glue_schema import POINTER, covers, partition_inputs, table_input, without_pointer
from catalog.glue_tables import GlueTables, pointer
from catalog.snapshot import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableTypeDef

log = logging.getLogger(__name__)
_UNUSABLE = "AWS Glue cannot be used"


class GlueCatalog:
    """prefix: what the names of the lake's databases start with."""

    def __init__(self, lake: str, prefix: str = "fruits") -> None:
        self._lake = lake
        self._tables = GlueTables(lake, prefix)
        self._entries = Entries(
            lake, lambda table: f"the parameter {POINTER} of {self._tables.name(table)} in AWS Glue"
        )

    @property
    def lake(self) -> str:
        return self._lake

    def tables(self) -> list[str]:
        with aws.explained(_UNUSABLE):
            return sorted(name for name, found in self._tables.all().items() if pointer(found))

    def current(self, table: str) -> Snapshot | None:
        id_ = pointer(self._seen(table))
        return self._entries.load(table, id_) if id_ else None

    def publish(self, snapshot: Snapshot) -> None:
        seen = self._seen(snapshot.table)
        check_parent(snapshot, pointer(seen))
        self._entries.save(snapshot)
        try:
            self._move(snapshot, seen)
        except BaseException:
            if pointer(self._seen(snapshot.table)) != snapshot.id:
                self._entries.remove(snapshot.table, snapshot.id)
            raise

    def history(self, table: str, whole: bool = False) -> list[Snapshot]:
        return self._entries.history(table, whole)

    def rollback(self, table: str, snapshot_id: str) -> Snapshot:
        snapshot = self._entries.find(table, snapshot_id)
        self._move(snapshot, self._seen(table))
        return snapshot

    def forget(self, table: str, snapshot_id: str) -> None:
        check_forgettable(self._entries.find(table, snapshot_id), self.current(table))
        self._entries.remove(table, snapshot_id)

    def drop(self, table: str) -> None:
        with aws.explained(f"{table} was not dropped: {_UNUSABLE}"):
            if self._tables.find(table) is not None:
                self._tables.drop(table)
        self._entries.remove_all(table)

    def repair(self) -> None:
        with aws.explained(_UNUSABLE):
            self._tables.make_databases()
            for table in self._tables.all():
                self._mend(table)

    def _move(self, snapshot: Snapshot, seen: TableTypeDef | None) -> None:
        """Register the snapshot and move the pointer; whatever fails before it has moved is undone."""
        table = snapshot.table
        wanted = table_input(self._lake, snapshot)
        with aws.explained(f"{table} was not published: {_UNUSABLE}"):
            if seen is None:  # partitions need a table to belong to
                self._tables.make_databases()
                seen = self._tables.create(table, without_pointer(wanted))
            try:
                self._tables.partitions(table).register(partition_inputs(self._lake, snapshot))
                self._tables.update(table, wanted, seen)
            except BaseException as error:
                moved = pointer(self._seen(table)) == snapshot.id
                if not moved:
                    self._undo(table)
                if not (moved and isinstance(error, Exception)):  # AWS did it, and its answer was lost
                    raise
        try:
            self._mend(table)
        except (AwsError, ClientError) as error:  # it is published: raising now would say that it is not
            log.warning("AWS Glue still lists old partitions of %s, the next run removes them: %s", table, error)

    def _mend(self, table: str) -> None:
        """Make table and partitions what the pointer says; a table that never got one goes."""
        while True:
            found = self._tables.find(table)
            id_ = pointer(found)
            if found is None:
                return
            if id_ is None:
                return self._tables.drop(table)
            snapshot = self._entries.load(table, id_)
            if not covers(found, table_input(self._lake, snapshot)):
                self._tables.update(table, table_input(self._lake, snapshot), found)
            changed = self._tables.partitions(table).replace(partition_inputs(self._lake, snapshot))
            if not changed or pointer(self._tables.find(table)) == id_:  # else another run has published meanwhile
                return

    def _undo(self, table: str) -> None:
        try:
            self._mend(table)
        except (ClientError, AwsError, CatalogError) as error:  # what went wrong before is what must be told
            log.warning("AWS Glue lists partitions that %s does not have, the next run mends it: %s", table, error)

    def _seen(self, table: str) -> TableTypeDef | None:
        with aws.explained(_UNUSABLE):
            return self._tables.find(table)
