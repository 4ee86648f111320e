"""Trino, on which Athena is based, reads the lake through Glue and S3 and gives the same answers as DuckDB.

The tests run in order: a lake with every layer, a refit during reads, a rollback, an erasure.
"""

import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bootstrap import settings as settings_module
from catalog.errors import SettingsError
from catalog.query.duck import DuckDB
from catalog.query.named import NamedQuery, named_queries
from catalog.query.text import for_athena
from catalog.rollback import rollback_lake
from ingestion.samples import write_sample_photos
from tests.aws import AwsServer
from tests.catalog.test_query_trino import AGGREGATES, ROWS, VALUES
from tests.commands import fruitlake_here
from tests.lakes import AWKWARD_LABELS, BucketLake
from tests.photos import sample_photo
from tests.trino_server import Trino, trino_server

PREFIX = "asked"
LAKE = "s3://asked/my lake"
LABELS = ("Apple Braeburn", "Banana", *AWKWARD_LABELS)
VECTORS = f"{PREFIX}_gold.fruit_vectors"
pytestmark = pytest.mark.exhaustive


@dataclass(frozen=True)
class Asked(BucketLake):
    """The lake, and a Trino server that knows its tables."""

    trino: Trino

    def check(self, query: NamedQuery, **given: str) -> list[dict[str, Any]]:
        """Check that both engines return the same rows, and return them."""
        values = query.values(given)
        theirs = self.trino.rows(for_athena(query.sql, PREFIX), values)
        ours = DuckDB(self.tables).run(query.sql, values).rows.to_pylist()
        assert len(theirs) == len(ours), query.name
        for one, other in zip(theirs, ours, strict=True):
            assert list(one) == list(other), query.name
            assert all(alike(one[name], other[name]) for name in one), (query.name, one, other)
        return theirs

    def check_all(self) -> None:
        """Check every query, for all labels together and for each label."""
        (photo, *_) = self.trino.rows(f"select image_id from {VECTORS} order by image_id")
        for query in named_queries():
            names = {parameter.name for parameter in query.parameters}
            found = self.check(query, **({"image_id": photo["image_id"]} if "image_id" in names else {}))
            assert found or query.name == "near_duplicates", query.name
            for label in LABELS if "label" in names else ():
                self.check(query, label=label)

    def ids(self) -> set[str]:
        """PCA ids of the vectors that Trino sees."""
        return {row["pca_id"] for row in self.trino.rows(f"select distinct pca_id from {VECTORS}")}


def alike(one: object, other: object) -> bool:
    """Whether two values are equal; floats except for the last digits, because engines add in different orders."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one.astimezone(UTC) == other.astimezone(UTC)
    return one == other


@pytest.fixture(scope="module")
def asked(
    aws_server: AwsServer, spark: SparkSession, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """A lake with every layer in a bucket."""
    aws_server.forget_tables()
    aws_server.make_bucket("asked")
    photos = tmp_path_factory.mktemp("photos")
    write_sample_photos(photos, per_label=4, labels=LABELS[:2])
    for index, label in enumerate(AWKWARD_LABELS):
        (photos / label).mkdir()
        for copy in range(2):
            sample_photo("Plum", 2 * index + copy, 64).save(photos / label / f"plum {copy}.png")
    repository = settings_module.load().maven_repository
    try:
        with (
            trino_server(aws_server, cache, repository, tmp_path_factory.mktemp("trino")) as trino,
            aws_server.environment(),
        ):
            made = Asked(aws_server, str(photos), LAKE, PREFIX, cache, trino)
            made.run()
            yield made
    except SettingsError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"Trino could not be fetched: {error}")


def test_every_query_is_answered_as_duckdb_does(asked: Asked) -> None:
    asked.check_all()


def test_the_values_that_duckdb_gives_are_trino_s(asked: Asked) -> None:
    for expected, source in ((VALUES, ""), (AGGREGATES, f"from {ROWS}")):
        columns = ", ".join(f"{expression} as v{index}" for index, expression in enumerate(expected))
        (row,) = asked.trino.rows(f"select {columns} {source}")
        for expression, found in zip(expected, row.values(), strict=True):
            found = list(found.items()) if isinstance(found, dict) else found
            assert alike(found, expected[expression]), (expression, found)


def test_every_label_is_found(asked: Asked) -> None:
    counts = {
        row["label"]: row["n"] for row in asked.trino.rows(f"select label, count(*) n from {VECTORS} group by label")
    }
    assert counts == dict.fromkeys(LABELS[:2], 4) | dict.fromkeys(AWKWARD_LABELS, 2)
    for label in LABELS:
        joined = (
            f"select count(*) n from {VECTORS} v join {PREFIX}_gold.label_summary s "
            "on v.label = s.label and v.pca_id = s.pca_id where v.label = ?"
        )
        assert asked.trino.rows(joined, [label]) == [{"n": counts[label]}], label


def test_a_reader_never_sees_a_mix_while_a_refit_is_published(asked: Asked) -> None:
    (before,), photos = asked.ids(), len(LABELS) * 2 + 4
    ended = threading.Event()
    sql = f"select count(*) as photos, count(distinct pca_id) as pcas, min(pca_id) as pca_id from {VECTORS}"

    def poll() -> tuple[int, set[tuple[int, int, str]]]:
        seen, reads = set(), 0
        while not ended.is_set():
            (row,) = asked.trino.rows(sql)
            seen.add((row["photos"], row["pcas"], row["pca_id"]))
            reads += 1
        return reads, seen

    moment = datetime.now(UTC)
    with ThreadPoolExecutor(1) as beside:
        reader = beside.submit(poll)
        try:
            after = asked.run("gold", refit=True).id
            asked.trino.rows(sql)
        finally:
            ended.set()
    reads, seen = reader.result()
    assert reads > 2
    assert seen <= {(photos, 1, before), (photos, 1, after)}, "every read must see exactly one complete version"
    assert asked.ids() == {after}
    told = f"timestamp '{moment:%Y-%m-%d %H:%M:%S.%f} UTC'"
    then = asked.trino.rows(f"select distinct pca_id from {VECTORS} for timestamp as of {told}")
    assert then == [{"pca_id": before}]
    asked.check_all()


def test_a_rollback_is_seen(asked: Asked) -> None:
    history = asked.tables.history("gold.fruit_vectors")
    newest, first = history[0], history[-1]
    rollback_lake(asked.tables, first.run)
    assert asked.ids() == {first.properties["pca_id"]} != {newest.properties["pca_id"]}
    asked.check_all()


def test_an_erasure_is_seen(asked: Asked) -> None:
    label = "Pêche d'été"
    sql = f"select image_id from {VECTORS} where label = ? order by image_id"
    gone, stays = (row["image_id"] for row in asked.trino.rows(sql, [label]))
    what = ("--image-id", gone, "--reason", "a test", "--source-stays", "--lake", LAKE, "--database-prefix", PREFIX)
    assert fruitlake_here("erase", *what, cwd=Path(asked.photos), FRUITLAKE_CACHE=str(asked.cache)) == 0
    assert asked.trino.rows(sql, [label]) == [{"image_id": stays}]
    for table in (f"{PREFIX}_bronze.images", f"{PREFIX}_silver.image_features"):
        assert asked.trino.rows(f"select count(*) n from {table} where image_id = ?", [gone]) == [{"n": 0}]
    asked.check_all()
