"""The whole pipeline from a bucket to a bucket, registered in Glue: Spark, PyIceberg, boto3 and pyarrow over HTTP."""

import urllib.request
from collections import Counter
from urllib.parse import quote

import pytest

from catalog.errors import RunError
from catalog.tables import TABLES
from tests.aws import s3_error
from tests.bootstrap.s3 import LABELS, LAKE, Lake, lake
from tests.lakes import AWKWARD_LABELS

__all__ = ["lake"]


def test_every_layer_is_published_and_read_by_plain_pyiceberg(lake: Lake) -> None:
    assert lake.tables.tables() == list(TABLES)
    assert lake.labels() == LABELS
    for name in TABLES:
        layer, table = name.split(".")
        found = lake.glue.load_table(f"fruits_{layer}.{table}")
        snapshot = lake.current(name)
        assert snapshot.id == found.metadata.current_snapshot_id
        assert snapshot.rows == len(found.scan().to_arrow())
        assert list(found.refs()) == ["main"], "no branch may remain"
        told = snapshot.properties
        assert told["producer"].startswith("fruitlake ")
        assert told["audit_result"] in ("passed", "warned")
        assert ("model_id" in told) == (layer != "bronze")
        assert ("pca_id" in told) == (layer == "gold")


def test_glue_describes_the_tables(lake: Lake) -> None:
    for name, table in TABLES.items():
        layer, short = name.split(".")
        found = lake.server.glue.get_table(DatabaseName=f"fruits_{layer}", Name=short)["Table"]
        assert found["Parameters"]["table_type"] == "ICEBERG"
        assert found["StorageDescriptor"]["Location"] == f"{LAKE}/{layer}/{short}"
        comments = {c["Name"]: c["Comment"] for c in found["StorageDescriptor"]["Columns"]}
        assert comments == {c.name: c.comment for c in table.columns}


def test_the_same_photos_again_change_nothing(lake: Lake) -> None:
    before = lake.objects()
    lake.server.calls.clear()
    run = lake.run()
    assert not any(outcome.new for outcome in run.outcomes.values())
    counts = run.ingested()
    assert counts is not None
    assert (counts.found, counts.stored, counts.quarantined) == (6 + len(AWKWARD_LABELS), 0, 0)
    assert lake.objects() == before
    asked = Counter(operation for operation, _ in lake.server.calls)
    assert set(asked) <= {"GetDatabase", "GetDatabases", "GetTable", "GetTables"}


def test_the_report_opens_from_the_bucket(lake: Lake) -> None:
    for page in ("reports/index.html", "reports/data_docs/index.html"):
        with urllib.request.urlopen(f"{lake.server.url}/lake/{quote('my fruits')}/{page}", timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/html"
            assert b"</html>" in answer.read()


def test_an_object_that_may_not_be_written_is_told_in_a_line(lake: Lake) -> None:
    with (
        lake.server.answering("PUT /lake/my fruits/gold/fruit_vectors/data/", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(RunError) as failure,
    ):
        lake.run("gold", refit=True)
    said = str(failure.value)
    assert said.startswith("gold.fruit_vectors failed: no permission for PutObject (told to")
    assert "have it granted" in said and "\n" not in said
