"""The partitions of a Glue table: changed only where they differ, many a call, and every item's answer read.

GetPartitions ──compare with what is wanted──▶ BatchCreate/UpdatePartition (100), BatchDeletePartition (25)
      ▲                                              │
      └────────── look again after a pause ◀─────────┘ items that AWS was too busy for, or another writer changed
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from catalog.errors import AwsError
from catalog.glue_schema import covers

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import ErrorDetailTypeDef, PartitionInputTypeDef, PartitionTypeDef

Wanted = Mapping[str, "PartitionInputTypeDef"]
T = TypeVar("T")

_WRITES, _DELETES = 100, 25  # items a call, Glue's limits
_ROUNDS = 6
_PAUSE = 0.5  # seconds before the second round, doubled before each later one
# Another round sees what another writer did, and asks again for what AWS had no time for.
_WORTH_ANOTHER_ROUND = {
    "AlreadyExistsException",
    "EntityNotFoundException",
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "ResourceNotReadyException",
    "ThrottlingException",
}


class Partitions:
    """Of one table."""

    def __init__(self, glue: GlueClient, database: str, table: str) -> None:
        self._glue = glue
        self._database = database
        self._table = table

    def register(self, wanted: Wanted) -> None:
        """Add what is missing and change what differs; nothing is taken away. Raises AwsError."""
        self._bring_about(wanted, delete=False)

    def replace(self, wanted: Wanted) -> bool:
        """The same, and then delete what is not wanted. Returns whether anything had to change. Raises AwsError."""
        return self._bring_about(wanted, delete=True)

    def _bring_about(self, wanted: Wanted, delete: bool) -> bool:
        refused: list[tuple[str, str]] = []
        for turn in range(_ROUNDS):
            if turn:
                time.sleep(_PAUSE * 2 ** (turn - 1))
            found = self._found()
            missing = [value for value in wanted if value not in found]
            differ = [value for value in wanted if value in found and not covers(found[value], wanted[value])]
            surplus = [value for value in found if value not in wanted] if delete else []
            if not (missing or differ or surplus):
                return turn > 0
            refused = [*self._create(missing, wanted), *self._update(differ, wanted), *self._delete(surplus)]
            if not refused:
                return True
            if any(_code(what) not in _WORTH_ANOTHER_ROUND for _, what in refused):
                break
        first = "; ".join(f"'{value}': {what}" for value, what in refused[:3])
        raise AwsError(
            f"AWS Glue refused {len(refused):,} of the partitions of {self._database}.{self._table} ({first}): "
            "run again, what is registered already is not done twice"
        )

    def _found(self) -> dict[str, PartitionTypeDef]:
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=self._database, TableName=self._table)
        return {p["Values"][0]: p for page in pages for p in page["Partitions"]}

    def _create(self, values: Sequence[str], wanted: Wanted) -> Iterator[tuple[str, str]]:
        for some in _calls(values, _WRITES):
            answer = self._glue.batch_create_partition(
                DatabaseName=self._database, TableName=self._table, PartitionInputList=[wanted[v] for v in some]
            )
            for error in answer.get("Errors", []):
                yield error["PartitionValues"][0], _told(error["ErrorDetail"])

    def _update(self, values: Sequence[str], wanted: Wanted) -> Iterator[tuple[str, str]]:
        for some in _calls(values, _WRITES):
            answer = self._glue.batch_update_partition(
                DatabaseName=self._database,
                TableName=self._table,
                Entries=[{"PartitionValueList": [v], "PartitionInput": wanted[v]} for v in some],
            )
            for error in answer.get("Errors", []):
                yield error["PartitionValueList"][0], _told(error["ErrorDetail"])

    def _delete(self, values: Sequence[str]) -> Iterator[tuple[str, str]]:
        for some in _calls(values, _DELETES):
            answer = self._glue.batch_delete_partition(
                DatabaseName=self._database, TableName=self._table, PartitionsToDelete=[{"Values": [v]} for v in some]
            )
            for error in answer.get("Errors", []):
                yield error["PartitionValues"][0], _told(error["ErrorDetail"])


def _calls(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


def _told(detail: ErrorDetailTypeDef) -> str:
    return f"{detail.get('ErrorCode', 'no code')}: {detail.get('ErrorMessage', 'no message')}"


def _code(told: str) -> str:
    return told.split(":", 1)[0]
