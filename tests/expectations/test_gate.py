"""The gate: an error stops the publish, a warning is stored and shown, too many bad files stop the run."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bootstrap.summary import print_run, print_status
from catalog.errors import AuditError, RunError
from ingestion.samples import SAMPLE_LABELS, write_sample_photos
from tests.expectations.rows import frame, row, sha
from tests.hostile import write_hostile
from tests.lakes import Lake
from transforms.dbt import invoke, target_folder
from transforms.publish import publish
from transforms.run import BuildResult, Run


@pytest.fixture
def lake(tmp_path: Path, cache: Path) -> Lake:
    return Lake(tmp_path / "photos", tmp_path / "lake", cache)


def pca(run: Run, **changes: Any) -> BuildResult:
    return BuildResult(frame(run.spark, "gold.pca", row("gold.pca", **changes)), replace=True)


def vectors(run: Run, *photos: tuple[str, str]) -> BuildResult:
    rows = [row("gold.fruit_vectors", image_id=sha(name), label=label) for name, label in photos]
    return BuildResult(frame(run.spark, "gold.fruit_vectors", *rows), replace=True)


def summary(run: Run, **changes: Any) -> BuildResult:
    rows = frame(run.spark, "gold.label_summary", row("gold.label_summary", **({"share": 1.0} | changes)))
    return BuildResult(rows, replace=True)


def shown(print_it: object, what: object) -> str:
    text = io.StringIO()
    print_it(what, Console(file=text, width=160))  # type: ignore[operator]
    return text.getvalue()


def test_gold_that_lost_rows_or_varieties_is_refused(lake: Lake) -> None:
    with lake.open() as run:
        publish(run, "gold.pca", pca(run))
        publish(run, "gold.fruit_vectors", vectors(run, *[(f"k{i}", "Kiwi") for i in range(9)], ("f", "Fig")))
    before = lake.tables.current("gold.fruit_vectors")
    with lake.open() as run, pytest.raises(AuditError) as error:
        publish(run, "gold.fruit_vectors", vectors(run, *[(f"k{i}", "Kiwi") for i in range(5)]))
    assert "expect_table_row_count_to_be_between found 5, expected ≥ 9" in str(error.value)
    assert "column label: expect_column_distinct_values_to_contain_set found 1 missing" in str(error.value)
    assert "for example Fig" in str(error.value)
    assert lake.tables.current("gold.fruit_vectors") == before
    with lake.open() as run, pytest.raises(AuditError) as error:
        rows = vectors(run, ("a", "Kiwi")).rows
        longer = rows.selectExpr("image_id", "array(1F, 2F, 3F) AS vector", "pca_id", "label")
        publish(run, "gold.fruit_vectors", BuildResult(longer, replace=True))
    assert f"vector breaks holds_2_numbers in 1 of 1 rows, for example image_id={sha('a')}" in str(error.value)
    assert lake.tables.current("gold.fruit_vectors") == before


def test_a_pca_of_another_variance_than_asked_is_refused(lake: Lake) -> None:
    with lake.open(variance=0.95) as run, pytest.raises(AuditError) as error:
        publish(run, "gold.pca", pca(run))
    said = "column variance_target: expect_column_values_to_be_in_set found 1 of 1 rows, expected value set 0.95"
    assert said in str(error.value)
    assert (lake.path / "reports/data_docs/index.html").exists(), "the Data Docs must say why"


@pytest.mark.exhaustive
def test_no_table_of_gold_is_published_empty(built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.inputs.version", lambda package: "another")  # rebuilds unchanged tables, too
    lake = built.copy(tmp_path / "lake")
    before = lake.tables.current_snapshots()
    with lake.open() as run:
        for mart in ("pca_variance", "label_similarity"):
            with pytest.raises(AuditError, match=r"gold\.\w+ was not published: .* found 0, expected"):
                invoke(run, ["run", "--empty", "--full-refresh", "--select", mart], quiet=True)
        with contextlib.suppress(RunError):  # Python models read the snapshots' files
            selected = ["pca", "fruit_vectors", "label_summary", "label_suspects"]
            invoke(run, ["run", "--empty", "--select", *selected], quiet=True)
    after = lake.tables.current_snapshots()
    assert {name: s.rows for name, s in after.items()} == {name: s.rows for name, s in before.items()}
    for mart in ("gold.pca_variance", "gold.label_similarity"):
        assert after[mart] == before[mart]


def test_the_data_docs_of_a_run_say_what_the_features_must_be(built: Lake) -> None:
    page = min((built.path / "reports/data_docs/validations/silver/image_features").rglob("*.html"))
    silver = built.current("silver.image_features")
    assert page.parts[-3] == f"run-{silver.run}", "each page is named after its run"
    assert "values must never be null" in re.sub("<.*?>", "", page.read_text(encoding="utf-8"))


def test_a_warning_is_stored_with_the_snapshot_and_shown(lake: Lake) -> None:
    with lake.open() as run:
        publish(run, "gold.pca", pca(run))
        publish(run, "gold.label_summary", summary(run))
    with lake.open() as run:
        publish(run, "gold.label_summary", summary(run, centroid=[5.0, -2.0]))
        said = shown(lambda run, console: print_run(run, console), run)
    assert "warning: gold.label_summary: column centroid_shift: expect_column_values_to_be_between found 1 of" in said
    snapshot = lake.current("gold.label_summary")
    assert snapshot.properties["audit_result"] == "warned"
    checks = {(c["column"], c["check"]): c for c in json.loads(snapshot.properties["audit"])}
    assert checks[None, "contract"]["passed"]
    shift = checks["centroid_shift", "expect_column_values_to_be_between"]
    assert (shift["observed"], shift["severity"]) == ("1 of 1 rows", "warning")
    status = shown(lambda catalog, console: print_status(catalog, console), lake.tables)
    assert "warned" in status
    assert "passed" in status


def test_too_many_bad_files_stop_the_run_before_silver_and_stay_in_quarantine(lake: Lake) -> None:
    write_sample_photos(lake.photos, per_label=25, labels=SAMPLE_LABELS[:8])
    fate = write_hostile(lake.photos / "Odd")
    bad = {name: reason for name, reason in fate.items() if reason}
    assert len(fate) == 40
    good = 200 + len(fate) - len(bad)

    for _ in range(2):  # the second time, the files are known, with the same result
        with pytest.raises(AuditError) as error:
            lake.run()
        share = f"{len(bad)} of 240 files ({len(bad) / 240:.1%}) cannot be used, more than 5.0%"
        assert f"bronze.images was not published: {share}" in str(error.value)
        assert "--max-quarantine-share" in str(error.value)
        assert lake.tables.tables() == ["bronze.quarantine"]

    run = lake.run(max_quarantine_share=0.5)
    counts = run.ingested()
    assert counts is not None
    assert (counts.found, counts.stored, counts.known, counts.quarantined) == (240, good, 0, len(bad))
    with lake.open() as run:
        reasons = {Path(r.source_path).name: r.reason for r in run.spark.table("fruits_bronze.quarantine").collect()}
        odd = run.spark.table("fruits_bronze.images").where("label = 'Odd'").select("image_id", "source_path")
        rows = run.spark.table("fruits_silver.image_features").join(odd, "image_id").collect()
        features = {Path(r.source_path).name: np.array(r.features) for r in rows}
    assert reasons == bad
    assert features.keys() == fate.keys() - bad.keys()
    assert np.abs(features["lying.png"] - features["upright.png"]).max() < 1e-5, "featurized after rotation"
    again = lake.run("bronze", max_quarantine_share=0.5)
    assert not any(o.new for o in again.outcomes.values()), "known files are not reported again"
    (lake.photos / SAMPLE_LABELS[0] / "more.jpg").write_bytes(b"")
    with pytest.raises(AuditError, match=f"{len(bad) + 1} of 241 files"):
        lake.run("bronze")


def test_dbt_tests_the_marts_and_a_failing_test_stops_the_run(built: Lake, tmp_path: Path) -> None:
    with built.open() as run:
        invoke(run, ["test"], quiet=True)
        results = json.loads((target_folder(run) / "run_results.json").read_text())["results"]
        assert {r["status"] for r in results} == {"pass"}
        kinds = {r["unique_id"].split(".")[2].split("_label")[0].split("_pca")[0] for r in results}
        assert kinds == {"unique", "not_null", "relationships"}
    with built.copy(tmp_path / "lake").open() as run:
        run.spark.sql("INSERT INTO fruits_gold.label_summary SELECT * FROM fruits_gold.label_summary")
        with pytest.raises(RunError, match=r"data test unique_label_summary_label found \d+ wrong rows"):
            invoke(run, ["test", "--select", "label_summary"], quiet=True)
