"""The gate: an error stops the publish, a warning is stored and shown, too many bad files stop the run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame
from rich.console import Console

from bootstrap.summary import print_run, print_status
from catalog.errors import AuditError, RunError
from catalog.tables import FEATURES
from ingestion.samples import draw_photo
from tests.hostile import write_hostile
from tests.lakes import Lake
from transforms.dbt import invoke, target_folder
from transforms.publish import publish
from transforms.run import Run

SUMMARY = "label string, photos bigint, share double, spread double, centroid array<double>"


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    return Lake(tmp_path / "photos", tmp_path / "lake", cache)


def pca(run: Run, k: int, variance: float = 0.5) -> DataFrame:
    eigenvalues = [1.0, 1.0] + [0.0] * (FEATURES - 2)
    columns = (
        "pca_id string, model_id string, k int, variance_target double, fitted_rows bigint, "
        "eigenvalues array<double>, fitted_at timestamp"
    )
    row = ("p", "m", k, variance, 9, eigenvalues)
    return run.spark.createDataFrame([row], columns.rsplit(",", 1)[0]).selectExpr("*", "current_timestamp() fitted_at")


def vectors(run: Run, *photos: tuple[str, str]) -> DataFrame:
    rows = [(image_id, [1.0], "p", label) for image_id, label in photos]
    return run.spark.createDataFrame(rows, "image_id string, vector array<float>, pca_id string, label string")


def shown(print_it: object, what: object) -> str:
    text = io.StringIO()
    print_it(what, Console(file=text, width=160))  # type: ignore[operator]
    return text.getvalue()


def test_gold_that_lost_rows_or_varieties_is_refused(lake: Lake) -> None:
    with lake.open(variance=0.5) as run:
        publish(run, "gold.pca", pca(run, k=1))
        publish(run, "gold.fruit_vectors", vectors(run, *[(f"k{i}", "Kiwi") for i in range(9)], ("f", "Fig")))
    before = lake.catalog.current("gold.fruit_vectors")
    with lake.open() as run, pytest.raises(AuditError) as error:
        publish(run, "gold.fruit_vectors", vectors(run, *[(f"k{i}", "Kiwi") for i in range(5)]))
    assert "rows_against_previous is 0.5, expected ≥ 0.9; labels_lost is 1, expected ≤ 0" in str(error.value)
    assert lake.catalog.current("gold.fruit_vectors") == before
    with (
        lake.open() as run,
        pytest.raises(AuditError, match=r"vector breaks length \(holds 1 numbers\) in 1 of 1 rows"),
    ):
        publish(run, "gold.fruit_vectors", vectors(run, ("a", "Kiwi")).selectExpr(
            "image_id", "array(1F, 2F) AS vector", "pca_id", "label"
        ))  # fmt: skip


def test_a_pca_that_explains_less_than_asked_is_refused(lake: Lake) -> None:
    with (
        lake.open(variance=0.9) as run,
        pytest.raises(AuditError, match=r"explained_variance is 0\.5, expected ≥ 0\.9"),
    ):
        publish(run, "gold.pca", pca(run, k=1))
    assert (lake.path / "reports/data_docs/index.html").exists(), "the Data Docs say why"


def test_a_warning_is_stored_with_the_snapshot_and_shown(lake: Lake) -> None:
    with lake.open(variance=0.5) as run:
        publish(run, "gold.pca", pca(run, k=1))
        publish(run, "gold.label_summary", run.spark.createDataFrame([("Kiwi", 9, 1.0, 2.0, [1.0])], SUMMARY))
    with lake.open(variance=0.5) as run:
        publish(run, "gold.label_summary", run.spark.createDataFrame([("Kiwi", 9, 1.0, 2.0, [5.0])], SUMMARY))
        said = shown(lambda run, console: print_run(run, console), run)
    assert "warning: gold.label_summary: centroid_drift is 2, expected ≤ 0.5" in said
    snapshot = lake.catalog.current("gold.label_summary")
    assert snapshot is not None
    assert snapshot.parameters["audit_result"] == "warned"
    outcomes = {o["check"]: o for o in json.loads(snapshot.parameters["audit"])}
    assert outcomes["contract"]["passed"]
    assert (outcomes["centroid_drift"]["observed"], outcomes["centroid_drift"]["severity"]) == (2.0, "warning")
    status = shown(lambda catalog, console: print_status(catalog, console), lake.catalog)
    assert "warned" in status
    assert "passed" in status


def test_too_many_bad_files_stop_the_run_before_silver_and_stay_in_quarantine(lake: Lake) -> None:
    for index in range(200):
        label = ("Plum", "Kiwi Half")[index % 2]
        (lake.photos / label).mkdir(parents=True, exist_ok=True)
        draw_photo(label, index, 64).save(lake.photos / label / f"{index}.jpg")
    fate = write_hostile(lake.photos / "Odd")
    bad = {name: reason for name, reason in fate.items() if reason}
    assert len(fate) == 40
    good = 200 + len(fate) - len(bad)

    for _ in range(2):  # the second time the files are known; the answer is the same
        with pytest.raises(AuditError) as error:
            lake.run()
        share = len(bad) / 240
        assert f"bronze.images was not published: quarantined_share is {share:.4g}" in str(error.value)
        assert f"{len(bad)} of 240 files" in str(error.value)
        assert "--max-quarantine-share" in str(error.value)
        assert lake.catalog.tables() == ["bronze.quarantine"]

    run = lake.run(max_quarantine_share=0.5)
    counts = run.ingested()
    assert counts is not None
    assert (counts.inputs, counts.stored, counts.duplicates, counts.quarantined) == (240, good, 0, len(bad))
    with lake.open() as run:
        reasons = {Path(r.source_path).name: r.reason for r in run.spark.table("bronze.quarantine").collect()}
        odd = run.spark.table("bronze.images").where("label = 'Odd'").select("image_id", "source_path")
        rows = run.spark.table("silver.image_features").join(odd, "image_id").collect()
        features = {Path(r.source_path).name: np.array(r.features) for r in rows}
    assert reasons == bad
    assert features.keys() == fate.keys() - bad.keys()
    assert np.abs(features["lying.png"] - features["upright.png"]).max() < 1e-5, "featurized upright"
    again = lake.run("bronze", max_quarantine_share=0.5)
    assert not any(o.new for o in again.outcomes.values()), "what is known is not told twice"
    (lake.photos / "Plum" / "more.jpg").write_bytes(b"")
    with pytest.raises(AuditError, match=f"{len(bad) + 1} of 241 files"):
        lake.run("bronze")


def test_dbt_tests_the_marts_and_a_failing_test_stops_the_run(built: Lake) -> None:
    with built.open() as run:
        invoke(run, ["test"], quiet=True)
        results = json.loads((target_folder(run) / "run_results.json").read_text())["results"]
        assert {r["status"] for r in results} == {"pass"}
        kinds = {r["unique_id"].split(".")[2].split("_label")[0].split("_pca")[0] for r in results}
        assert kinds == {"unique", "not_null", "relationships"}
    with built.open() as run:
        twice = "SELECT * FROM gold.label_summary UNION ALL SELECT * FROM gold.label_summary"
        rows = run.spark.createDataFrame(run.spark.sql(twice).collect(), SUMMARY)
        rows.createOrReplaceTempView("doubled")
        run.spark.sql("DROP TABLE gold.label_summary")  # of this session; the files stay
        run.spark.sql("CREATE TABLE gold.label_summary USING parquet AS SELECT * FROM doubled")
        with pytest.raises(RunError, match=r"data test unique_label_summary_label found \d+ wrong rows"):
            invoke(run, ["test", "--select", "label_summary"], quiet=True)
