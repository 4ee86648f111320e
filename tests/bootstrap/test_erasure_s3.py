"""Erasing in S3: afterwards no object, no version of one, no upload and no table in Glue tells of the photo."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap import settings as settings_module
from bootstrap.pipeline import build, open_run
from bootstrap.reporting import report_run
from catalog import remains
from catalog.datasets import dataset
from catalog.erasures import Erasure, begin, pending
from catalog.errors import AwsError, CatalogError, ErasedMeanwhileError
from catalog.glue import GlueCatalog
from catalog.snapshot import new_id
from ingestion.metadata import strip
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer, s3_error
from tests.bootstrap.test_cli import fruitlake_here
from transforms.publish import publish
from transforms.run import Run

BUCKET, PREFIX = "forgetful", "forgetful"
LAKE = f"s3://{BUCKET}/lake"
QUIET = Console(quiet=True)
LABELS = ("Kiwi Half", "Lemon")


@dataclass(frozen=True)
class Lake:
    server: AwsServer
    photos: Path
    cache: Path

    def settings(self, **options: Any) -> settings_module.Settings:
        given = {"images": str(self.photos), "lake": LAKE, "cache": self.cache, "weights": "bundled"}
        return settings_module.load(**(given | {"database_prefix": PREFIX, "variance": 0.9} | options))

    def run(self, layer: str = "all", **options: Any) -> Run:
        return build(self.settings(**options), layer, QUIET)

    def erase(self, *arguments: str) -> int:
        asked = ("erase", "--lake", LAKE, "--database-prefix", PREFIX, *arguments)
        return fruitlake_here(*asked, cwd=self.photos, FRUITLAKE_CACHE=str(self.cache))

    @property
    def catalog(self) -> GlueCatalog:
        return GlueCatalog(LAKE, PREFIX)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """What the account holds: name and bytes of every version, marker, upload and table."""
        s3, glue = self.server.s3, self.server.glue
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for version in page.get("Versions", []):
                key = version["Key"]
                answer = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version["VersionId"])
                data = answer["Body"].read()
                if data and key.endswith(".parquet"):  # what compression hides
                    data += repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
                yield key, data
            yield from ((marker["Key"], b"") for marker in page.get("DeleteMarkers", []))
        yield from ((u["Key"], b"an upload") for u in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))
        for layer in ("bronze", "silver", "gold"):
            database = f"{PREFIX}_{layer}"
            for table in glue.get_tables(DatabaseName=database)["TableList"]:
                pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table["Name"])
                partitions = [p for page in pages for p in page["Partitions"]]
                yield f"Glue {layer}.{table['Name']}", json.dumps([table, partitions], default=str).encode()

    def traces(self, **needles: bytes) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in needles}
        for name, data in self.everything():
            for what, needle in needles.items():
                if needle in data or needle in name.encode():
                    found[what].append(name)
        return found


@pytest.fixture(scope="module")
def lake(
    aws_server: AwsServer, s3_spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """Every layer, and gold and the report twice, in a bucket that keeps versions."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=4, size=64, labels=LABELS, workers=1)
    aws_server.forget_tables()
    aws_server.make_bucket(BUCKET)
    aws_server.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    with aws_server.environment():
        made = Lake(aws_server, photos, cache)
        report_run(made.run(), QUIET)
        report_run(made.run("gold", refit=True), QUIET)
        yield made


def photo(lake: Lake, label: str) -> tuple[str, str, bytes]:
    """Id, path and bytes of one of the label's photos."""
    snapshot = lake.catalog.current("bronze.images")
    assert snapshot is not None
    rows = dataset(LAKE, snapshot).to_table(columns=["image_id", "label", "source_path", "content"]).to_pylist()
    row = min((r for r in rows if r["label"] == label), key=lambda r: r["source_path"])
    assert row["content"] == strip(Path(row["source_path"]).read_bytes())
    return row["image_id"], row["source_path"], row["content"]


def test_nothing_of_a_photo_is_left(lake: Lake) -> None:
    id_, path, content = photo(lake, "Lemon")
    upload = lake.server.s3.create_multipart_upload(Bucket=BUCKET, Key="lake/bronze/images/batch=1/cut")["UploadId"]
    lake.server.s3.upload_part(
        Bucket=BUCKET, Key="lake/bronze/images/batch=1/cut", UploadId=upload, PartNumber=1, Body=content
    )
    needles = {"id": id_.encode(), "path": path.encode(), "bytes": content[len(content) // 2 :][:48]}
    needles |= {"short id": f'"{id_[:8]}"'.encode(), "upload": b"an upload"}
    assert all(lake.traces(**needles).values()), "the search finds what is there"
    before = {name for name, _ in lake.everything() if name.startswith("Glue")}
    Path(path).unlink()
    assert lake.erase("--source-path", path, "--reason", "asked for it") == 0
    assert lake.traces(**needles) == {name: [] for name in needles}
    assert {name for name, _ in lake.everything() if name.startswith("Glue")} == before
    for table in ("bronze.images", "silver.image_features", "gold.fruit_vectors"):
        snapshot = lake.catalog.current(table)
        assert snapshot is not None
        assert (snapshot.rows, dataset(LAKE, snapshot).count_rows()) == (7, 7)
        assert [s.id for s in lake.catalog.history(table)] == [snapshot.id]
    again = lake.run()
    assert {t for t, o in again.outcomes.items() if o.new} == {"gold.label_summary", "gold.label_similarity"}


def no_permission(uri: str) -> bool:
    raise AwsError(f"no permission for ListObjectVersions: {uri}")


def test_an_erasure_that_aws_stops_is_finished_later(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    id_, path, _ = photo(lake, "Kiwi Half")
    Path(path).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(remains, "keeps_versions", no_permission)
        assert lake.erase("--image-id", id_, "--reason", "asked for it") == 1
    assert pending(LAKE) == [], "what cannot be done is not begun"
    deny: list[Any] = []

    def no_aborting(request: dict[str, Any]) -> Any:
        deny.append(request)
        return s3_error("AccessDenied", 403)

    key = "lake/bronze/images/batch=1/cut"
    lake.server.s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    with lake.server.answering(f"DELETE /{BUCKET}/{key}", no_aborting):
        assert lake.erase("--image-id", id_, "--reason", "asked for it") == 1
    assert deny and len(pending(LAKE)) == 1
    with pytest.raises(CatalogError, match="interrupted: finish it with `fruitlake erase --resume"):
        lake.run("gold")
    assert lake.erase("--resume") == 0
    assert lake.traces(id=id_.encode(), path=path.encode()) == {"id": [], "path": []}


def test_a_label_goes_from_keys_and_partitions_too(lake: Lake) -> None:
    assert all(lake.traces(label=b"Kiwi Half").values())
    for file in (lake.photos / "Kiwi Half").iterdir():
        file.unlink()
    assert lake.erase("--label", "Kiwi Half", "--reason", "no longer sold") == 0
    assert lake.traces(label=b"Kiwi Half") == {"label": []}


def test_a_run_that_was_under_way_publishes_nothing_after_an_erasure_has_begun(lake: Lake) -> None:
    before = lake.catalog.current("gold.label_similarity")
    with open_run(lake.settings(), QUIET) as run:
        rows = run.spark.createDataFrame(
            [("a", "b", 0.5, 1)], "label string, other_label string, cosine double, rank int"
        )
        begin(LAKE, Erasure(new_id(), "label", "a test", "2026-01-01T00:00:00+00:00"))
        with pytest.raises(ErasedMeanwhileError, match="run again"):
            publish(run, "gold.label_similarity", rows)
    assert lake.catalog.current("gold.label_similarity") == before
    assert lake.erase("--resume") == 0


def test_when_everything_goes_no_table_is_left(lake: Lake) -> None:
    ids, path, _ = photo(lake, "Lemon")
    everything = ("--label", "Lemon", "--reason", "the end", "--source-stays")
    assert lake.erase(*everything) == 1
    assert lake.erase(*everything, "--everything") == 0
    assert lake.catalog.tables() == ["bronze.quarantine"]
    assert lake.traces(id=ids.encode(), path=path.encode(), label=b"Lemon") == {"id": [], "path": [], "label": []}
