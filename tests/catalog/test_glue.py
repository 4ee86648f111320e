"""The Glue catalog, over HTTP: what Athena sees of a lake, and what is left when AWS, or a run, fails in the middle.

What every catalog does is in test_catalogs.py.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.wrappers import Response

from catalog.errors import AwsError, CatalogError, ConcurrentPublishError
from catalog.glue import GlueCatalog
from catalog.glue_schema import glue_type
from catalog.snapshot import Snapshot
from catalog.tables import FRUIT_VECTORS, TABLES, Column
from tests.aws import AwsServer, glue_answer, glue_error
from tests.snapshots import TABLE, published, snapshot

LABELS = [f"Variety {number:03}" for number in range(131)]
WHERE: Any = {"DatabaseName": "fruits_gold", "TableName": "fruit_vectors"}
WRITES = ("BatchCreatePartition", "BatchUpdatePartition", "BatchDeletePartition", "CreateTable", "UpdateTable")


@pytest.fixture
def catalog(glue_catalog: GlueCatalog) -> GlueCatalog:
    return glue_catalog


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts a request, and no pause between rounds."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setattr("catalog.glue_partitions._PAUSE", 0)


def table(aws: AwsServer) -> Any:
    return aws.glue.get_table(DatabaseName="fruits_gold", Name="fruit_vectors")["Table"]


def partitions(aws: AwsServer) -> dict[str, str]:
    """Locations by label, and that no label is there twice."""
    pages = aws.glue.get_paginator("get_partitions").paginate(**WHERE)
    found = [(p["Values"][0], p["StorageDescriptor"]["Location"]) for page in pages for p in page["Partitions"]]
    assert len(found) == len(dict(found))
    return dict(found)


def locations(catalog: GlueCatalog, snapshot: Snapshot) -> dict[str, str]:
    return {label: f"{catalog.lake}/{folder}/" for label, folder in snapshot.partitions.items()}


def writes(aws: AwsServer) -> list[str]:
    """Operations that changed something since the last look, in order."""
    done = [operation for operation, _ in aws.calls if operation in WRITES]
    aws.calls.clear()
    return done


def assert_untouched(aws: AwsServer, catalog: GlueCatalog, before: Snapshot) -> None:
    """Readers of any kind see the snapshot as if nothing had been tried."""
    assert catalog.current(before.table) == before
    assert [s.id for s in catalog.history(before.table)] == [before.id]
    assert partitions(aws) == locations(catalog, before)


def test_a_table_tells_athena_everything(aws: AwsServer, catalog: GlueCatalog) -> None:
    parameters = {"model_id": "m", "pca_id": "p", "audit_result": "warned", "producer": "fruitlake 9", "audit": "[…]"}
    catalog.publish(replace(snapshot("1"), parameters=parameters))
    found = table(aws)
    assert found["TableType"] == "EXTERNAL_TABLE"
    assert found["Description"] == "one row per photo"
    storage = found["StorageDescriptor"]
    assert storage["Location"] == f"{catalog.lake}/gold/fruit_vectors/snapshot=1/"
    assert [(c["Name"], c["Type"], c["Comment"]) for c in storage["Columns"]] == [
        (c.name, c.type, c.comment) for c in FRUIT_VECTORS.columns if c.name != "label"
    ]
    assert [(c["Name"], c["Type"]) for c in found["PartitionKeys"]] == [("label", "string")]
    assert storage["SerdeInfo"]["SerializationLibrary"].endswith("parquet.serde.ParquetHiveSerDe")
    assert "MapredParquetInputFormat" in storage["InputFormat"]
    assert "MapredParquetOutputFormat" in storage["OutputFormat"]
    del parameters["audit"]  # as long as it likes to be; Glue's parameters are not
    told = {"snapshot_id": "1", "rows": "3", "bytes": "99", "classification": "parquet", "lake": catalog.lake}
    assert (told | parameters).items() <= found["Parameters"].items()
    assert "audit" not in found["Parameters"]
    assert partitions(aws) == locations(catalog, snapshot("1"))
    databases = {d["Name"]: d["LocationUri"] for d in aws.glue.get_databases()["DatabaseList"]}
    assert databases == {f"fruits_{layer}": f"{catalog.lake}/{layer}/" for layer in ("bronze", "gold", "silver")}


def test_every_column_of_the_lake_has_a_type_in_glue() -> None:
    for table in TABLES.values():
        assert [glue_type(c.type) for c in table.columns] == [c.type for c in table.columns]
    assert glue_type("array<LONG>") == "array<bigint>"
    assert glue_type("decimal(10, 2)") == "decimal(10,2)"
    with pytest.raises(CatalogError, match="no column of type 'interval'"):
        glue_type("array<interval>")


def test_only_differences_are_written_and_the_pointer_moves_after_new_and_before_old(
    aws: AwsServer, catalog: GlueCatalog
) -> None:
    catalog.publish(snapshot("1", labels=LABELS))
    assert writes(aws) == ["CreateTable", "BatchCreatePartition", "BatchCreatePartition", "UpdateTable"]
    catalog.repair()
    assert writes(aws) == []

    kept = snapshot("1", labels=LABELS).partitions
    some = {label: kept[label] for label in LABELS[:71]}
    catalog.publish(replace(snapshot("2", parent="1"), partitions={**some, "New": "gold/new", LABELS[0]: "gold/moved"}))
    assert writes(aws) == ["BatchCreatePartition", "BatchUpdatePartition", "UpdateTable", *["BatchDeletePartition"] * 3]
    current = catalog.current(TABLE)
    assert current is not None
    assert partitions(aws) == locations(catalog, current)
    assert len(partitions(aws)) == 72

    catalog.rollback(TABLE, "1")
    assert partitions(aws) == locations(catalog, snapshot("1", labels=LABELS))
    assert table(aws)["Parameters"]["snapshot_id"] == "1"


def test_a_schema_change_reaches_table_and_partitions(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    columns = (*FRUIT_VECTORS.columns, Column("score", "double", "new"))
    catalog.publish(replace(snapshot("2", parent="1"), columns=columns, partitions=snapshot("1").partitions))
    assert table(aws)["StorageDescriptor"]["Columns"][-1] == {"Name": "score", "Type": "double", "Comment": "new"}
    for partition in aws.glue.get_partitions(**WHERE)["Partitions"]:
        assert partition["StorageDescriptor"]["Columns"][-1]["Name"] == "score"


@pytest.mark.parametrize("operation", ["GetTable", "BatchCreatePartition", "UpdateTable", "GetPartitions"])
def test_throttling_is_waited_out(operation: str, aws: AwsServer, catalog: GlueCatalog) -> None:
    with aws.answering(operation, lambda _: glue_error("ThrottlingException", "Rate exceeded"), times=2) as throttled:
        catalog.publish(snapshot("1"))
    assert len(throttled) == 2
    assert partitions(aws) == locations(catalog, snapshot("1"))
    assert published(catalog) == "1"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["BatchCreatePartition", "BatchUpdatePartition", "UpdateTable"])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ThrottlingException", "ThrottlingException"),
        ("AccessDeniedException", r"no permission for \w+ .*other credentials, or have it granted"),
        ("ExpiredTokenException", "renew them"),
    ],
)
def test_what_aws_goes_on_refusing_leaves_the_old_snapshot(
    operation: str, code: str, says: str, aws: AwsServer, catalog: GlueCatalog
) -> None:
    catalog.publish(snapshot("1"))
    refuse = lambda request: glue_error(code, "told to") if "snapshot=2" in str(request) else None  # noqa: E731
    with aws.answering(operation, refuse), pytest.raises(AwsError, match=f"{TABLE} was not published: .*{says}"):
        catalog.publish(snapshot("2", parent="1", labels=["🍎", "Fig"]))
    assert_untouched(aws, catalog, snapshot("1"))
    catalog.publish(snapshot("3", parent="1"))
    assert published(catalog) == "3"


def item_error(request: dict[str, Any], label: str, code: str) -> Response | None:
    """A 200 in which one partition was refused, and none was made."""
    values = [p["Values"] for p in request["PartitionInputList"]]
    if [label] not in values:
        return None
    detail = {"ErrorCode": code, "ErrorMessage": "told to"}
    return glue_answer(Errors=[{"PartitionValues": [label], "ErrorDetail": detail}])


def test_a_partition_that_a_200_refuses_for_now_is_tried_again(aws: AwsServer, catalog: GlueCatalog) -> None:
    busy = "InternalServiceException"
    with aws.answering("BatchCreatePartition", lambda r: item_error(r, LABELS[120], busy), times=2) as refused:
        catalog.publish(snapshot("1", labels=LABELS))
    assert len(refused) == 2
    assert partitions(aws) == locations(catalog, snapshot("1", labels=LABELS))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "code", ["InvalidInputException", "ResourceNumberLimitExceededException", "ThrottlingException"]
)
def test_a_partition_that_a_200_refuses_for_good_is_named(code: str, aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    with (
        aws.answering("BatchCreatePartition", lambda r: item_error(r, "Fig", code)),
        pytest.raises(AwsError, match=f"refused 1 of the partitions of fruits_gold.fruit_vectors .'Fig': {code}: told"),
    ):
        catalog.publish(snapshot("2", parent="1", labels=["Fig", "🍎"]))
    assert_untouched(aws, catalog, snapshot("1"))


def test_a_refused_first_snapshot_leaves_no_table(aws: AwsServer, catalog: GlueCatalog) -> None:
    invalid = "InvalidInputException"
    with (
        aws.answering("BatchCreatePartition", lambda r: item_error(r, "🍎", invalid)),
        pytest.raises(AwsError, match="'🍎': InvalidInputException"),
    ):
        catalog.publish(snapshot("1"))
    assert aws.glue.get_tables(DatabaseName="fruits_gold")["TableList"] == []
    assert catalog.history(TABLE) == []


def touch(aws: AwsServer, **parameters: str) -> None:
    """Change the table as a crawler, or another run, would."""
    found = table(aws)
    keep = ("Name", "Description", "TableType", "StorageDescriptor", "PartitionKeys", "Parameters")
    changed: Any = {k: v for k, v in found.items() if k in keep}
    changed["Parameters"] = {**found["Parameters"], **parameters}
    aws.glue.update_table(DatabaseName="fruits_gold", TableInput=changed)


@pytest.mark.parametrize("operation", ["BatchUpdatePartition", "UpdateTable"])
def test_a_table_changed_behind_our_back_is_not_overwritten(
    operation: str, aws: AwsServer, catalog: GlueCatalog
) -> None:
    """Before the pointer is about to move, and in the instant between our last look and Glue's own."""
    catalog.publish(snapshot("1"))
    crawled = False

    def crawl(request: dict[str, Any]) -> None:
        nonlocal crawled
        if not crawled:
            crawled = True
            touch(aws, crawler="was here")

    with (
        aws.answering(operation, crawl),
        pytest.raises(ConcurrentPublishError, match=r"fruits_gold.fruit_vectors in AWS Glue was changed .*run again"),
    ):
        catalog.publish(snapshot("2", parent="1"))
    assert table(aws)["Parameters"]["crawler"] == "was here"
    assert_untouched(aws, catalog, snapshot("1"))


def test_what_another_tool_did_to_table_and_partitions_is_repaired(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    touch(aws, rows="0", classification="csv")
    aws.glue.delete_partition(**WHERE, PartitionValues=["🍎"])
    stray: Any = {"Values": ["stray"], "StorageDescriptor": {"Location": "s3://elsewhere/"}}
    aws.glue.create_partition(**WHERE, PartitionInput=stray)
    catalog.repair()
    assert {"rows": "3", "classification": "parquet"}.items() <= table(aws)["Parameters"].items()
    assert_untouched(aws, catalog, snapshot("1"))


def test_a_table_that_is_not_the_lakes_is_left_alone(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    other = GlueCatalog("s3://lake/another")
    for ask in (other.tables, other.repair, lambda: other.publish(snapshot("1"))):
        with pytest.raises(CatalogError, match=r"is of the lake 's3://lake/my lake.*', not .*--database-prefix"):
            ask()
    GlueCatalog("s3://lake/another", prefix="veg").publish(snapshot("1"))
    assert_untouched(aws, catalog, snapshot("1"))
    touch(aws, lake="")
    with pytest.raises(CatalogError, match="was made, or overwritten, by another tool"):
        catalog.current(TABLE)


def test_strangers_in_the_databases_do_not_matter(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.repair()
    aws.glue.create_table(DatabaseName="fruits_gold", TableInput={"Name": "my_own"})
    catalog.publish(snapshot("1"))
    catalog.repair()
    assert catalog.tables() == [TABLE]
    assert len(aws.glue.get_tables(DatabaseName="fruits_gold")["TableList"]) == 2


PUBLISHER = """
import sys
from catalog.glue import GlueCatalog
from catalog.snapshot import Snapshot

GlueCatalog(sys.argv[1]).publish(Snapshot.from_json(sys.stdin.read()))
"""


def publish_and_be_killed(aws: AwsServer, catalog: GlueCatalog, new: Snapshot) -> None:
    """In a process of its own, which dies at the instant it asks to move the pointer."""
    process = subprocess.Popen([sys.executable, "-c", PUBLISHER, catalog.lake], stdin=subprocess.PIPE, text=True)

    def kill(_: dict[str, Any]) -> Response:
        os.kill(process.pid, signal.SIGKILL)
        return glue_error("InternalServiceException", "nobody hears this", 500)

    with aws.answering("UpdateTable", kill) as asked:
        process.communicate(new.to_json(), timeout=60)
    assert (process.returncode, len(asked)) == (-signal.SIGKILL, 1)


def test_a_run_killed_before_the_pointer_moves_leaves_the_old_snapshot(aws: AwsServer, catalog: GlueCatalog) -> None:
    before = snapshot("1", labels=LABELS)
    catalog.publish(before)
    publish_and_be_killed(aws, catalog, snapshot("2", parent="1", labels=[*LABELS[:50], "New"]))
    assert "New" in partitions(aws), "it was killed after the new partitions"
    assert catalog.current(TABLE) == before
    assert table(aws)["Parameters"]["snapshot_id"] == "1"
    catalog.repair()
    assert partitions(aws) == locations(catalog, before)
    after = snapshot("3", parent="1", labels=LABELS[:50])
    catalog.publish(after)
    assert partitions(aws) == locations(catalog, after)


def test_the_next_publish_alone_cleans_up_after_a_killed_one(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    publish_and_be_killed(aws, catalog, snapshot("2", parent="1", labels=["New"]))
    catalog.publish(snapshot("3", parent="1"))
    assert partitions(aws) == locations(catalog, snapshot("3"))


def test_a_first_publish_that_was_killed_never_was(aws: AwsServer, catalog: GlueCatalog) -> None:
    publish_and_be_killed(aws, catalog, snapshot("1"))
    assert len(partitions(aws)) == 2
    assert catalog.tables() == [] and catalog.current(TABLE) is None
    catalog.repair()
    assert aws.glue.get_tables(DatabaseName="fruits_gold")["TableList"] == []
    catalog.publish(snapshot("2"))
    assert published(catalog) == "2"


def test_an_answer_lost_on_the_way_is_no_failure(aws: AwsServer, catalog: GlueCatalog) -> None:
    """Glue moved the pointer and nobody heard; asked again, it finds the version changed, by ourselves."""
    catalog.publish(snapshot("1"))

    def move_and_lose_the_answer(request: dict[str, Any]) -> Response:
        aws.glue.update_table(DatabaseName=request["DatabaseName"], TableInput=request["TableInput"])
        return glue_error("InternalServiceException", "the answer was lost", 500)

    told = False

    def once(request: dict[str, Any]) -> Response | None:
        nonlocal told
        if told:
            return None
        told = True
        return move_and_lose_the_answer(request)

    with aws.answering("UpdateTable", once):
        catalog.publish(snapshot("2", parent="1"))
    assert published(catalog) == "2"
    assert [s.id for s in catalog.history(TABLE)] == ["2", "1"]
    assert partitions(aws) == locations(catalog, snapshot("2"))


@pytest.mark.usefixtures("impatient")
def test_old_partitions_that_cannot_go_do_not_undo_a_publish(
    aws: AwsServer, catalog: GlueCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    catalog.publish(snapshot("1"))
    with (
        aws.answering("BatchDeletePartition", lambda _: glue_error("AccessDeniedException")),
        caplog.at_level(logging.WARNING),
    ):
        catalog.publish(snapshot("2", parent="1", labels=["🍎"]))
    assert "the next run removes them" in caplog.text
    assert published(catalog) == "2"
    assert len(partitions(aws)) == 2
    catalog.repair()
    assert partitions(aws) == locations(catalog, snapshot("2", labels=["🍎"]))


def test_a_run_stopped_by_a_person_after_the_pointer_moved_is_published(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    moved = False

    def move(_: dict[str, Any]) -> None:
        nonlocal moved
        moved = True

    def stop(_: dict[str, Any]) -> None:
        if moved:
            os.kill(os.getpid(), signal.SIGINT)

    with (
        aws.answering("UpdateTable", move),
        aws.answering("BatchDeletePartition", stop),
        pytest.raises(KeyboardInterrupt),
    ):
        catalog.publish(snapshot("2", parent="1", labels=["🍎"]))
    assert published(catalog) == "2"
    assert catalog.history(TABLE)[0].id == "2"


@pytest.mark.parametrize("operation", ["GetTables", "GetDatabase", "CreateDatabase"])
def test_no_permission_is_said_at_once(operation: str, aws: AwsServer, catalog: GlueCatalog) -> None:
    with (
        aws.answering(operation, lambda _: glue_error("AccessDeniedException", "User: ada is not authorized")),
        pytest.raises(AwsError, match=f"AWS Glue cannot be used: no permission for {operation} .User: ada"),
    ):
        catalog.repair()


def test_a_lost_entry_is_named_with_the_next_step(aws: AwsServer, catalog: GlueCatalog) -> None:
    catalog.publish(snapshot("1"))
    prefix = catalog.lake.removeprefix("s3://lake/")
    aws.s3.delete_object(Bucket="lake", Key=f"{prefix}/_catalog/{TABLE}/1.json")
    with pytest.raises(
        CatalogError, match=r"1\.json cannot be read .* the parameter snapshot_id of fruits_gold\.fruit"
    ):
        catalog.current(TABLE)


def test_one_publish_asks_little_of_glue(aws: AwsServer, catalog: GlueCatalog) -> None:
    """Requests are billed and throttled: the count does not grow with the labels but by the hundred."""
    catalog.publish(snapshot("1", labels=LABELS))
    aws.calls.clear()
    catalog.publish(snapshot("2", parent="1", labels=LABELS))
    asked = Counter(operation for operation, _ in aws.calls)
    assert asked["BatchUpdatePartition"] == 2
    assert asked["UpdateTable"] == 1
    assert asked["GetPartitions"] <= 2 * 3  # twice, in pages of 50
    assert asked["GetTable"] <= 4
