"""Erasure in S3: no object, object version, upload or Glue table identifies the photo afterwards."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap.reporting import report_run
from catalog import object_versions
from catalog.branch import AuditBranch
from catalog.erasures import Erasure, begin, pending
from catalog.errors import AwsError, CatalogError, ErasedMeanwhileError
from catalog.snapshots import new_run_id
from catalog.tables import IMAGES
from ingestion.metadata import strip
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer, s3_error
from tests.commands import fruitlake_here
from tests.lakes import BucketLake
from transforms.publish import publish
from transforms.run import BuildResult

BUCKET, PREFIX = "forgetful", "forgetful"
LAKE = f"s3://{BUCKET}/lake"
QUIET = Console(quiet=True)
LABELS = ("Kiwi Half", "Lemon")

pytestmark = pytest.mark.exhaustive


class Lake(BucketLake):
    def erase(self, *arguments: str) -> int:
        asked = ("erase", "--lake", LAKE, "--database-prefix", PREFIX, *arguments)
        return fruitlake_here(*asked, cwd=Path(self.photos), FRUITLAKE_CACHE=str(self.cache))

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every object version, delete marker, upload and table in the account."""
        s3, glue = self.server.s3, self.server.glue
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for version in page.get("Versions", []):
                key = version["Key"]
                answer = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version["VersionId"])
                data = answer["Body"].read()
                yield key, data + _unpacked(key, data)
            yield from ((marker["Key"], b"") for marker in page.get("DeleteMarkers", []))
        yield from ((u["Key"], b"an upload") for u in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))
        for layer in ("bronze", "silver", "gold"):
            database = f"{PREFIX}_{layer}"
            for table in glue.get_tables(DatabaseName=database)["TableList"]:
                versions = glue.get_table_versions(DatabaseName=database, TableName=table["Name"])["TableVersions"]
                yield f"Glue {layer}.{table['Name']}", json.dumps([table, versions], default=str).encode()

    def traces(self, **needles: bytes) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in needles}
        for name, data in self.everything():
            for what, needle in needles.items():
                if needle in data or needle in name.encode():
                    found[what].append(name)
        return found


def _unpacked(key: str, data: bytes) -> bytes:
    """A file's decompressed content."""
    if data and key.endswith(".parquet"):
        return repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
    if data and key.endswith(".avro"):
        reader = fastavro.reader(io.BytesIO(data))
        return repr((dict(reader.metadata), list(reader))).encode()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else b""


@pytest.fixture(scope="module")
def lake(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """A lake in a versioned bucket: every layer, gold and the report twice, and leftovers of a killed run."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=4, labels=LABELS)
    aws_server.forget_tables()
    aws_server.make_bucket(BUCKET)
    aws_server.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    with aws_server.environment():
        made = Lake(aws_server, str(photos), LAKE, PREFIX, cache)
        report_run(made.run(), QUIET)
        report_run(made.run("gold", refit=True), QUIET)
        with made.open() as killed:
            branch = AuditBranch(killed.spark, killed.lake, IMAGES, killed.id, killed.current("bronze.images"))
            branch.append(branch.rows())
        yield made


def photo(lake: Lake, label: str) -> tuple[str, str, bytes]:
    """Id, path and bytes of a photo with this label."""
    rows = lake.rows("bronze.images", "image_id", "label", "source_path", "content")
    row = min((r for r in rows if r["label"] == label), key=lambda r: r["source_path"])
    assert row["content"] == strip(Path(row["source_path"]).read_bytes())
    return row["image_id"], row["source_path"], row["content"]


def test_nothing_of_a_photo_is_left(lake: Lake) -> None:
    id_, path, content = photo(lake, "Lemon")
    upload = lake.server.s3.create_multipart_upload(Bucket=BUCKET, Key="lake/bronze/images/data/cut")["UploadId"]
    lake.server.s3.upload_part(
        Bucket=BUCKET, Key="lake/bronze/images/data/cut", UploadId=upload, PartNumber=1, Body=content
    )
    needles = {"id": id_.encode(), "path": path.encode(), "bytes": content[len(content) // 2 :][:48]}
    needles |= {"short id": f'"{id_[:8]}"'.encode(), "upload": b"an upload"}
    assert all(lake.traces(**needles).values()), "the search must find existing traces"
    before = {name for name, _ in lake.everything() if name.startswith("Glue")}
    Path(path).unlink()
    assert lake.erase("--source-path", path, "--reason", "asked for it") == 0
    assert lake.traces(**needles) == {name: [] for name in needles}
    assert {name for name, _ in lake.everything() if name.startswith("Glue")} == before
    for table in ("bronze.images", "silver.image_features", "gold.fruit_vectors"):
        snapshot = lake.current(table)
        assert (snapshot.rows, len(lake.rows(table))) == (7, 7)
        loaded = lake.tables.load(table)
        assert loaded is not None
        assert ([s.snapshot_id for s in loaded.snapshots()], list(loaded.refs())) == ([snapshot.id], ["main"])
    assert not any(outcome.new for outcome in lake.run().outcomes.values())


def no_permission(uri: str) -> bool:
    raise AwsError(f"no permission for ListObjectVersions: {uri}")


def test_an_erasure_that_aws_stops_is_finished_later(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    id_, path, _ = photo(lake, "Kiwi Half")
    Path(path).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(object_versions, "keeps_versions", no_permission)
        assert lake.erase("--image-id", id_, "--reason", "asked for it") == 1
    assert pending(lake.tables) == [], "an erasure that cannot be completed does not start"
    deny: list[Any] = []

    def no_aborting(request: dict[str, Any]) -> Any:
        deny.append(request)
        return s3_error("AccessDenied", 403)

    key = "lake/bronze/images/data/cut"
    lake.server.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    with lake.server.answering(f"DELETE /{BUCKET}/{key}", no_aborting):
        assert lake.erase("--image-id", id_, "--reason", "asked for it") == 1
    assert deny and len(pending(lake.tables)) == 1
    with pytest.raises(CatalogError, match="interrupted: finish it with `fruitlake erase --resume"):
        lake.run("gold")
    assert lake.erase("--resume") == 0
    assert lake.traces(id=id_.encode(), path=path.encode()) == {"id": [], "path": []}


def test_a_label_goes_from_keys_and_partitions_too(lake: Lake) -> None:
    assert all(lake.traces(label=b"Kiwi Half").values())
    for file in Path(lake.photos, "Kiwi Half").iterdir():
        file.unlink()
    assert lake.erase("--label", "Kiwi Half", "--reason", "no longer sold") == 0
    assert lake.traces(label=b"Kiwi Half") == {"label": []}


def test_a_run_that_was_under_way_publishes_nothing_after_an_erasure_has_begun(lake: Lake) -> None:
    before = lake.tables.current("gold.label_summary")
    with lake.open() as run:
        rows = run.table("gold.label_summary")
        assert rows is not None
        begin(run.lake, Erasure(new_run_id(), "label", "a test", "2026-01-01T00:00:00+00:00"))
        with pytest.raises(ErasedMeanwhileError, match="run again"):
            publish(run, "gold.label_summary", BuildResult(rows, replace=True))
    assert lake.tables.current("gold.label_summary") == before
    assert lake.erase("--resume") == 0


def test_when_everything_goes_no_table_is_left(lake: Lake) -> None:
    ids, path, _ = photo(lake, "Lemon")
    everything = ("--label", "Lemon", "--reason", "the end", "--source-stays")
    assert lake.erase(*everything) == 1
    assert lake.erase(*everything, "--everything") == 0
    assert lake.tables.tables() == ["bronze.quarantine"]
    assert lake.traces(id=ids.encode(), path=path.encode(), label=b"Lemon") == {"id": [], "path": [], "label": []}
