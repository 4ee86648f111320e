"""The report of a lake: whole, growing, empty, or impossible to write."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from bootstrap import reporting
from catalog.errors import AuditError, CatalogError
from catalog.lake import open_lake
from expectations.report import RunFacts, write_report
from expectations.report.collect import collect
from expectations.report.drift import FIRST
from expectations.report.facts import facts_of
from expectations.report.page import render
from expectations.report.thumbnails import SIDE
from tests.expectations.test_report import SECTIONS, Page
from tests.lakes import Lake
from tests.photos import sample_photo


def test_a_built_lake_has_a_page_a_run_and_an_index(built: Lake) -> None:
    facts = facts_of(built.tables)
    uri = write_report(built.tables, facts)
    contents = collect(built.tables, facts)
    reports = built.path / "reports"
    assert uri == str(reports / "index.html")
    pages = {"": reports / "index.html", "../": reports / "runs" / f"{contents.run.id}.html"}
    for page in pages.values():
        assert set(SECTIONS) <= Page(page.read_text()).ids()
        assert page.stat().st_size < 3_000_000
        assert "a purpose that is not stated (--purpose)" in page.read_text()
    photos = len(list(built.photos.glob("*/*")))
    assert len(contents.points) == len(contents.thumbnails) == contents.vectors == photos
    assert sum(label.photos for label in contents.labels) == photos
    with Image.open(io.BytesIO(next(iter(contents.thumbnails.values())))) as thumbnail:
        assert max(thumbnail.size) == SIDE
    assert contents.pca is not None
    assert contents.pca.kept >= contents.pca.variance_target
    assert contents.pairs[0].cosine == max(p.cosine for p in contents.pairs)
    assert contents.drift.note == FIRST


def test_of_a_large_bronze_only_some_files_are_read(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expectations.report.thumbnails._MAX_BYTES", 1)
    contents = collect(built.tables, facts_of(built.tables))
    assert 0 < len(contents.thumbnails) < len(contents.points)
    assert "of them with a thumbnail" in render(contents)


def test_a_report_grows_with_its_lake(tmp_path: Path, cache: Path) -> None:
    """First bronze alone, with one photo and a quarantined file; then gold of that photo; then a failed run."""
    lake = Lake(tmp_path / "photos", tmp_path / "lake", cache)
    label = lake.photos / "Kiwi <script>alert(1)<"
    label.mkdir(parents=True)
    sample_photo("Kiwi Half", 0, 96).save(label / "1.png")
    (label / "<img src=x onerror=alert(1)>.jpg").write_bytes(b"")
    console = Console(quiet=True)
    run = lake.run("bronze", max_quarantine_share=1.0)
    assert reporting.report_run(run, console) == f"{lake.path}/reports/index.html"
    html = (lake.path / "reports" / "index.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in html
    assert "<img src=x" not in html and "<script>alert" not in html
    assert "There are no vectors yet" in html
    run = lake.run(max_quarantine_share=1.0)
    reporting.report_run(run, console, AuditError("gold.pca was not published: too <few>"))
    html = (lake.path / "reports" / "index.html").read_text()
    assert "too &lt;few&gt;" in html
    assert "Shown: all 1 photos" in html
    assert len(list((lake.path / "reports" / "runs").glob("*.html"))) == 2
    kept = RunFacts.from_json((lake.path / "reports" / "runs" / f"{run.id}.json").read_text())
    assert kept == replace(reporting.facts(run, AuditError(str(kept.failure))), ended_at=kept.ended_at)
    write_report(lake.tables)  # as `fruitlake report` does, for the same run
    assert len(list((lake.path / "reports" / "runs").glob("*.html"))) == 2


def test_a_failing_report_costs_a_line_and_not_the_run(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> str:
        raise PermissionError("no [room] left\nfor details")

    monkeypatch.setattr(reporting, "write_report", fail)
    console = Console(record=True, quiet=False, file=io.StringIO(), width=200)
    with built.open() as run:
        assert reporting.report_run(run, console, AuditError("gold.pca was not published")) is None
    said = console.export_text().splitlines()
    assert said == ["warning: the report was not written (PermissionError: no [room] left)"]


def test_a_run_that_published_nothing_leaves_the_last_page(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reporting, "write_report")
    lake = built.copy(tmp_path / "lake")
    index = lake.path / "reports" / "index.html"
    index.parent.mkdir(exist_ok=True)
    index.write_text("the last run's")
    with lake.open() as run:
        assert reporting.report_run(run, Console(quiet=True)) == str(index)


def test_an_empty_lake_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="nothing to report"):
        write_report(open_lake(str(tmp_path)))
    assert not list(tmp_path.iterdir())
