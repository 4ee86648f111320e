"""What readers of a lake in a bucket see: one version, whatever labels it has and whatever stops its runs."""

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from catalog.errors import RunError
from catalog.lake import CATALOG
from catalog.tables import TABLES
from ingestion.samples import SAMPLE_LABELS
from tests.aws import glue_error
from tests.bootstrap.s3 import LABELS, LAKE, Lake, lake
from tests.commands import environment, fruitlake_here
from tests.lakes import AWKWARD_LABELS
from transforms.publish import publish
from transforms.run import BuildResult

__all__ = ["lake"]
pytestmark = pytest.mark.exhaustive


def test_a_reader_through_glue_never_sees_a_mix_while_a_refit_is_published(lake: Lake) -> None:
    rows = len(LABELS) - 2 + 6
    before = lake.current("gold.fruit_vectors")
    ended = threading.Event()
    copied: list[Any] = []

    def poll() -> set[tuple[int, frozenset[str]]]:
        glue, seen = lake.glue, set()
        while not ended.is_set():
            vectors = glue.load_table("fruits_gold.fruit_vectors").scan(selected_fields=("pca_id",)).to_arrow()
            seen.add((len(vectors), frozenset(vectors["pca_id"].to_pylist())))
        return seen

    with ThreadPoolExecutor(1) as beside:
        reader = beside.submit(poll)
        try:
            with lake.server.answering("PUT /lake/", lambda r: copied.append(r) if r["copied_from"] else None):
                run = lake.run("gold", refit=True)
        finally:
            ended.set()
    assert reader.result() == {(rows, frozenset([pca_id])) for pca_id in (before.properties["pca_id"], run.id)}
    assert copied == [], "S3 cannot rename, and publishing must not copy"


def test_a_run_that_aws_stops_leaves_what_was_current(lake: Lake) -> None:
    before, objects = lake.current("gold.fruit_vectors"), lake.objects()

    def refuse(request: dict[str, Any]) -> Any:
        denied = "User: ada is not authorized to perform: glue:UpdateTable on resource: fruit_vectors"
        return glue_error("AccessDeniedException", denied) if lake.moves_main(request, "fruit_vectors") else None

    with lake.server.answering("UpdateTable", refuse) as refused, pytest.raises(RunError) as failure:
        lake.run("gold", refit=True)
    assert len(refused) == 1
    said = str(failure.value)
    assert said.startswith("gold.fruit_vectors failed: no permission for UpdateTable (User: ada is not authorized")
    assert said.endswith("use other credentials, or have it granted") and "\n" not in said
    assert lake.current("gold.fruit_vectors") == before
    loaded = lake.tables.load("gold.fruit_vectors")
    assert loaded is not None and list(loaded.refs()) == ["main"]
    assert {k for k in objects if "fruit_vectors" in k} <= {k for k in lake.objects() if "fruit_vectors" in k}
    lake.run("gold")
    after = lake.current("gold.fruit_vectors")
    assert after.properties["pca_id"] != before.properties["pca_id"]
    assert lake.labels() == LABELS


def kill_at_the_pointer(lake: Lake, folder: Path, *arguments: str) -> None:
    """Run `fruitlake run`, and kill it with its JVM when it asks Glue to publish fruit_vectors."""
    program = [sys.executable, "-c", "from bootstrap.cli import main; main()", "run", *arguments]
    variables = environment(folder, **lake.server.variables, FRUITLAKE_CACHE=str(lake.cache))
    run = subprocess.Popen(program, env=variables, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)

    def kill(request: dict[str, Any]) -> Any:
        if not lake.moves_main(request, "fruit_vectors"):
            return None
        os.killpg(run.pid, signal.SIGKILL)
        return glue_error("InternalServiceException", "nobody hears this", 500)

    with lake.server.answering("UpdateTable", kill) as asked:
        said = run.communicate(timeout=240)
    assert (run.returncode, len(asked)) == (-signal.SIGKILL, 1), said


def test_a_run_killed_before_the_pointer_moves_leaves_readers_on_the_old_snapshot(
    lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = lake.current("gold.fruit_vectors")
    rows = "select image_id, label, pca_id from gold.fruit_vectors order by image_id"
    query = ("query", "--sql", rows, "--format", "csv", "--engine", "duckdb", "--lake", LAKE)

    def seen(*arguments: str) -> str:
        capfd.readouterr()
        assert fruitlake_here(*arguments, cwd=tmp_path, COLUMNS="200") == 0
        return capfd.readouterr().out

    read = seen(*query)
    assert len(read.splitlines()) == 1 + before.rows

    kill_at_the_pointer(lake, tmp_path, "gold", "--refit", "--lake", LAKE, "--weights", "bundled")
    assert lake.labels() == LABELS
    assert lake.current("gold.fruit_vectors") == before
    assert seen(*query) == read
    (line,) = [line for line in seen("status", "--lake", LAKE).splitlines() if "gold.fruit_vectors" in line]
    assert str(before.id)[:12] in line  # a narrow terminal wraps the rest

    lake.run("gold")
    after = lake.current("gold.fruit_vectors")
    assert after.id != before.id
    assert lake.labels() == LABELS
    assert len(seen(*query).splitlines()) == 1 + after.rows == 1 + before.rows


def many_labels() -> list[str]:
    """131 labels, as in Fruits-360; some are awkward."""
    awkward = [label for label in AWKWARD_LABELS if len(label) < 100]
    awkward += ["L" * 249, "a+b & c", "<x>", "${env:HOME}", " spaces ", "...", "apple braeburn", "1.50"]
    awkward += ["l'été", "100%", "50%25", "a=b", "c#d", "e/f", "g:h", "{i}", "[j]", "?k"]
    named = [f"{label} {number}" for number in range(1, 20) for label in SAMPLE_LABELS]
    return [*awkward, *named][:131]


def test_131_labels_are_read_back_equal_by_spark_pyiceberg_and_duckdb(
    lake: Lake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = many_labels()
    assert len(set(labels)) == 131
    ids = {label: hashlib.sha256(label.encode()).hexdigest() for label in labels}
    with replace(lake, uri="s3://lake/many", prefix="many").open() as run:
        rows = [(ids[label], [float(i), 1.0], "p", label) for i, label in enumerate(labels)]
        frame = run.spark.createDataFrame(rows, TABLES["gold.fruit_vectors"].ddl)
        publish(run, "gold.fruit_vectors", BuildResult(frame, replace=True))
        table = run.spark.table(f"{CATALOG}.many_gold.fruit_vectors")
        seen = {r["label"]: (r["image_id"], r["vector"]) for r in table.collect()}
        for label in labels:
            assert [r["image_id"] for r in table.where(table.label == label).collect()] == [ids[label]]
    assert seen == {label: (id_, vector) for id_, vector, _, label in rows}
    found = lake.glue.load_table("many_gold.fruit_vectors")
    assert {r["label"]: (r["image_id"], r["vector"]) for r in found.scan().to_arrow().to_pylist()} == seen
    by_label = {t.file.partition[0]: t.file.record_count for t in found.scan().plan_files()}
    assert by_label == dict.fromkeys(labels, 1)
    sql = "select label, image_id from gold.fruit_vectors"
    asked = ("query", "--sql", sql, "--format", "csv", "--engine", "duckdb", "--lake", "s3://lake/many")
    capfd.readouterr()
    assert fruitlake_here(*asked, "--database-prefix", "many", cwd=tmp_path) == 0
    assert {r["label"]: r["image_id"] for r in csv.DictReader(io.StringIO(capfd.readouterr().out))} == ids
