"""The lake's databases and tables in AWS Glue; each table carries the pointer to its current snapshot.

<prefix>_bronze, <prefix>_silver, <prefix>_gold ──▶ tables with the parameters lake and snapshot_id
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from catalog import aws
from catalog.errors import CatalogError, ConcurrentPublishError
from catalog.glue_partitions import Partitions
from catalog.glue_schema import LAKE, LAYERS, POINTER, database
from catalog.tables import TABLES

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableInputTypeDef, TableTypeDef


def pointer(found: TableTypeDef | None) -> str | None:
    """Id of the snapshot that is current; None for no table, and for one whose first publish is not over."""
    return found.get("Parameters", {}).get(POINTER) if found else None


class GlueTables:
    """Named as in catalog/tables.py; errors are botocore's, but for those that are named."""

    def __init__(self, lake: str, prefix: str) -> None:
        self._lake = lake
        self._prefix = prefix
        self._glue = aws.glue()

    def name(self, table: str) -> str:
        """The table's name in Athena: `fruits_gold.fruit_vectors`."""
        return f"{self._prefix}_{table}"

    def make_databases(self) -> None:
        for layer in LAYERS:
            try:
                self._glue.get_database(Name=database(self._prefix, layer))
            except ClientError as error:
                if aws.code_of(error) != "EntityNotFoundException":
                    raise
                self._make_database(layer)

    def all(self) -> dict[str, TableTypeDef]:
        """The lake's tables, with a pointer or without. Raises CatalogError if another lake's are among them."""
        listed = {f"{layer}.{t['Name']}": t for layer in LAYERS for t in self._listed(database(self._prefix, layer))}
        return {name: self._checked(name, found) for name, found in listed.items() if name in TABLES}

    def find(self, table: str) -> TableTypeDef | None:
        """Raises CatalogError if the table in Glue is not this lake's."""
        try:
            found = self._glue.get_table(DatabaseName=self._database(table), Name=_plain(table))["Table"]
        except ClientError as error:
            if aws.code_of(error) == "EntityNotFoundException":
                return None
            raise
        return self._checked(table, found)

    def create(self, table: str, wanted: TableInputTypeDef) -> TableTypeDef:
        """Raises ConcurrentPublishError if there is one by now."""
        try:
            self._glue.create_table(DatabaseName=self._database(table), TableInput=wanted)
        except ClientError as error:
            if aws.code_of(error) == "AlreadyExistsException":
                raise self._changed(table) from error
            raise
        return self._glue.get_table(DatabaseName=self._database(table), Name=_plain(table))["Table"]

    def update(self, table: str, wanted: TableInputTypeDef, seen: TableTypeDef) -> None:
        """Raises ConcurrentPublishError if anything about the table has changed since it was seen."""
        version = seen.get("VersionId", "")
        now = self.find(table)
        if now is None or now.get("VersionId", "") != version:
            raise self._changed(table)
        try:
            self._glue.update_table(
                DatabaseName=self._database(table),
                TableInput=wanted,
                VersionId=version,  # Glue looks, too: between our look and its change is time for another's
                SkipArchive=True,  # the lake keeps the history
            )
        except ClientError as error:
            if aws.code_of(error) in ("ConcurrentModificationException", "EntityNotFoundException"):
                raise self._changed(table) from error
            raise

    def drop(self, table: str) -> None:
        self._glue.delete_table(DatabaseName=self._database(table), Name=_plain(table))

    def partitions(self, table: str) -> Partitions:
        return Partitions(self._glue, self._database(table), _plain(table))

    def _make_database(self, layer: str) -> None:
        try:
            self._glue.create_database(
                DatabaseInput={
                    "Name": database(self._prefix, layer),
                    "Description": f"Fruitlake: the {layer} layer of {self._lake}",
                    "LocationUri": f"{self._lake}/{layer}/",
                    "Parameters": {LAKE: self._lake, "created_by": "fruitlake"},
                }
            )
        except ClientError as error:
            if aws.code_of(error) != "AlreadyExistsException":  # another run was faster
                raise

    def _listed(self, name: str) -> Iterator[TableTypeDef]:
        try:
            for page in self._glue.get_paginator("get_tables").paginate(DatabaseName=name):
                yield from page["TableList"]
        except ClientError as error:
            if aws.code_of(error) != "EntityNotFoundException":
                raise

    def _checked(self, table: str, found: TableTypeDef) -> TableTypeDef:
        lake = found.get("Parameters", {}).get(LAKE)
        if lake != self._lake:
            whose = f"is of the lake '{lake}'" if lake else "was made, or overwritten, by another tool"
            raise CatalogError(
                f"{self.name(table)} in AWS Glue {whose}, not of '{self._lake}': give this lake databases of its own "
                "with --database-prefix, or drop that table"
            )
        return found

    def _changed(self, table: str) -> ConcurrentPublishError:
        return ConcurrentPublishError(
            f"{self.name(table)} in AWS Glue was changed by another run or tool while this one worked: run again, "
            "what is already there is kept and not done twice"
        )

    def _database(self, table: str) -> str:
        return database(self._prefix, table.split(".")[0])


def _plain(table: str) -> str:
    return table.split(".")[1]
