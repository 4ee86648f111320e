"""The report: its data, what it says about drift and audits, and that no text can become markup."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from pyspark.sql import SparkSession
from rich.console import Console

from bootstrap import reporting
from catalog.errors import AuditError, CatalogError
from catalog.lake import open_lake
from catalog.snapshots import Snapshot
from expectations.check_result import CheckResult, to_json
from expectations.report import RunFacts, TableOutcome, gold, write_report
from expectations.report.collect import collect, table_audit
from expectations.report.contents import (
    Contents,
    Drift,
    Label,
    Movement,
    NearDuplicate,
    Pair,
    Point,
    Purpose,
    Quarantine,
    RejectedFile,
    Suspect,
    TableAudit,
    Variance,
)
from expectations.report.curve import curve
from expectations.report.drift import FIRST, REFITTED, UNCHANGED, drift, movements
from expectations.report.facts import facts_of
from expectations.report.page import render
from expectations.report.palette import styles
from expectations.report.thumbnails import SIDE
from ingestion.counts import Conflict, Counts
from tests.lakes import Lake
from tests.photos import sample_photo

SECTIONS = ("run", "audits", "drift", "labels", "variance", "map", "similar", "suspects", "quarantine", "about")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> & {{ 7 * 7 }} </title>"
VARIANCE = Variance("pca", "model", 2, 0.9, 10, (0.6, 0.92, 1.0))


class Page(HTMLParser):
    """The page as a browser parses it: elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def ids(self) -> set[str | None]:
        return {attributes.get("id") for _, attributes in self.elements}

    def links(self) -> Iterator[str]:
        for _, attributes in self.elements:
            yield from (value for name in ("href", "src", "srcset", "action") if (value := attributes.get(name)))


def hostile_contents() -> Contents:
    """Contents of a page in which every text is an attack."""
    counts = Counts(7, 1, 1, 1, 1, 2, 1, 3)
    conflicts = (Conflict(HOSTILE, HOSTILE, HOSTILE),)
    run = RunFacts(HOSTILE, (TableOutcome(HOSTILE, HOSTILE, 1, 1, 0.1),), counts, conflicts, HOSTILE, HOSTILE)
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(jpeg, "JPEG")
    return Contents(
        lake=HOSTILE,
        run=run,
        audits=(
            TableAudit(HOSTILE, HOSTILE, (CheckResult(HOSTILE, "warning", False, HOSTILE, HOSTILE, HOSTILE),), HOSTILE),
        ),
        labels=(Label(HOSTILE, 2, 1.0, (0.0, 1.0)), Label("Kiwi", 1)),
        variance=replace(VARIANCE, pca_id=HOSTILE, model_id=HOSTILE),
        vectors=3,
        points=(Point(HOSTILE, HOSTILE, 0, 1), Point("b", "Kiwi", 1, 0)),
        thumbnails={HOSTILE: jpeg.getvalue()},
        pairs=(Pair(HOSTILE, "Kiwi", 0.5),),
        suspects=(Suspect(HOSTILE, HOSTILE, 2.0, HOSTILE, 1.0),),
        suspects_total=1,
        near_duplicates=(NearDuplicate(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.9995),),
        quarantine=Quarantine(1, ((HOSTILE, 1),), (RejectedFile(HOSTILE, HOSTILE, HOSTILE, HOSTILE, None),)),
        purposes=(Purpose(HOSTILE, HOSTILE, 1), Purpose(None, None, 2)),
        drift=Drift((), (HOSTILE,), (HOSTILE,), (Movement(HOSTILE, 1.0, 0.5),), 1, 0.5, HOSTILE),
        versions={HOSTILE: HOSTILE},
    )


def test_hostile_text_stays_text() -> None:
    html = render(hostile_contents(), "../", (HOSTILE,), True)
    page = Page(html)
    assert [e for e in page.elements if e[0] == "script"] == [
        ("script", {"type": "application/json", "id": "map-data"}),
        ("script", {}),
    ]
    assert not [attributes for _, attributes in page.elements if any(a.startswith("on") for a in attributes)]
    assert all(
        attributes["src"].startswith("data:image/jpeg")
        for tag, attributes in page.elements
        if tag == "img"
        if attributes["src"]
    )
    assert "49" not in html.split("</style>")[1].split("map-data")[0].replace("&#39;", "").replace("&#34;", "")


def test_nothing_is_asked_of_the_network() -> None:
    page = Page(render(hostile_contents(), "../", ("20261122T193656-b176",), True))
    outward = [link for link in page.links() if not link.startswith(("#", "data:", "../"))]
    assert not outward
    assert "../runs/20261122T193656-b176.html" in page.links()
    assert "../data_docs/index.html" in page.links()
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    assert policy is not None and policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "contents",
    [
        Contents("lake", RunFacts("r", ())),
        Contents("lake", RunFacts("r", ()), labels=(Label("Kiwi", 0),)),
        Contents(
            "lake", RunFacts("r", ()), labels=(Label("Kiwi", 1, 0.0, (0.0,)),), points=(Point("a", "Kiwi", 0, 0),)
        ),
        Contents("lake", RunFacts("r", ()), variance=Variance("p", "m", 1, 0.9, 1, (1.0,))),
        Contents("lake", RunFacts("r", ()), labels=tuple(Label(f"Apple {i}", i + 1) for i in range(131))),
    ],
    ids=["nothing", "no photo", "one photo", "one component", "131 labels"],
)
def test_every_section_stands_whatever_is_missing(contents: Contents) -> None:
    assert set(SECTIONS) <= Page(render(contents)).ids()


def test_audits_are_read_as_stored_first_what_did_not_pass() -> None:
    def audited(**properties: str) -> TableAudit:
        return table_audit(Snapshot("gold.pca", 1, "run", datetime(2026, 1, 1, tzinfo=UTC), 1, 1, properties))

    passed = CheckResult("contract", "critical", True, "7,080 rows", "every row")
    warned = CheckResult("expect_column_max_to_be_between", "warning", False, 0.25, "≤ 0.2", "share")
    both = audited(audit=to_json([passed, warned]), audit_result="warned", audit_seconds="0.31")
    assert both == TableAudit("gold.pca", "warned", (warned, passed), "0.31")
    assert [check.name for check in both.checks] == ["share: column max to be between", "contract"]
    assert audited() == TableAudit("gold.pca", "not audited")


def test_the_curve_marks_k_and_the_target() -> None:
    drawn = curve(VARIANCE)
    assert drawn.k_y == pytest.approx(8)
    assert drawn.target_y == pytest.approx(10)
    assert 0 < drawn.k_x < 100
    assert drawn.path.count("L") == 2


def test_colours_of_many_labels_differ() -> None:
    assert len(set(styles(12))) == 12
    assert len(set(styles(131))) == 131


def test_centroids_move_in_shares_of_their_spread() -> None:
    before = (Label("A", 3, 2.0, (0.0, 0.0)), Label("gone", 1, 1.0, (0.0, 0.0)), Label("B", 3, 1.0, (1.0, 1.0)))
    now = (Label("A", 4, 2.0, (3.0, 4.0)), Label("B", 3, 0.0, (1.0, 2.0)), Label("new", 1, 1.0, (0.0, 0.0)))
    assert movements(before, now) == (Movement("A", 5.0, 2.5), Movement("B", 1.0, None))


class FakeLake:
    """A fake lake with only what `drift` needs: a history of versions, published at intervals of a minute."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Snapshot]] = {}

    def publish(self, table: str, run: str, rows: int, pca: str = "p") -> None:
        versions = self.versions.setdefault(table, [])
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=len(versions))
        versions.insert(0, Snapshot(table, len(versions), run, moment, rows, 1, {"pca_id": pca}))

    def current_snapshots(self) -> dict[str, Snapshot]:
        return {table: versions[0] for table, versions in self.versions.items()}

    def history(self, table: str) -> list[Snapshot]:
        return self.versions[table]


def test_drift_is_told_against_the_version_before() -> None:
    lake = FakeLake()
    before, now = (Label("A", 1, 1.0, (0.0,)),), (Label("A", 2, 1.0, (1.0,)), Label("B", 1, 1.0, (5.0,)))

    def told(run: str) -> Drift:
        return drift(cast(Any, lake), run, now, lambda snapshot: before, lambda snapshot: VARIANCE)

    for table in ("gold.pca", "gold.fruit_vectors", "gold.label_summary"):
        lake.publish(table, "1", 1)
    assert told("1") == Drift(note=FIRST)
    assert told("2") == Drift(note=UNCHANGED)
    lake.publish("gold.fruit_vectors", "2", 3)
    lake.publish("gold.label_summary", "2", 2)
    second = told("2")
    assert [(r.table, r.before, r.now) for r in second.rows] == [
        ("gold.fruit_vectors", 1, 3),
        ("gold.label_summary", 1, 2),
    ]
    assert (second.labels_added, second.labels_removed, second.note) == (("B",), (), "")
    assert second.movements == (Movement("A", 1.0, 1.0),)
    for table in ("gold.pca", "gold.fruit_vectors", "gold.label_summary"):
        lake.publish(table, "3", 2, "another")
    third = told("3")
    assert (third.movements, third.note, third.k_before) == ((), REFITTED, 2)


def test_points_are_dealt_evenly_to_the_labels(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gold, "MAX_POINTS", 6)
    rows = [(f"a{i}", [1.0, 2.0], "many") for i in range(20)] + [("b1", [3.0], "few"), ("b2", [4.0], "few")]
    found = gold.points(spark.createDataFrame(rows, "image_id string, vector array<float>, label string"))
    assert [p.label for p in found].count("few") == 2
    assert len(found) == 6
    assert next(p for p in found if p.image_id == "b1") == Point("b1", "few", 3.0, 0.0)


def test_a_built_lake_has_a_page_a_run_and_an_index(built: Lake) -> None:
    with built.open() as run:
        facts = facts_of(run.lake)
        uri = write_report(run.spark, run.lake, facts)
        contents = collect(run.spark, run.lake, facts)
    reports = built.path / "reports"
    assert uri == str(reports / "index.html")
    pages = {"": reports / "index.html", "../": reports / "runs" / f"{contents.run.id}.html"}
    for page in pages.values():
        assert set(SECTIONS) <= Page(page.read_text()).ids()
        assert page.stat().st_size < 3_000_000
    photos = len(list(built.photos.glob("*/*")))
    assert len(contents.points) == len(contents.thumbnails) == contents.vectors == photos
    assert sum(label.photos for label in contents.labels) == photos
    with Image.open(io.BytesIO(next(iter(contents.thumbnails.values())))) as thumbnail:
        assert max(thumbnail.size) == SIDE
    assert contents.variance is not None
    assert contents.variance.kept >= contents.variance.target
    assert contents.pairs[0].cosine == max(p.cosine for p in contents.pairs)
    assert contents.drift.note == FIRST


def test_of_a_large_bronze_only_some_files_are_read(built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expectations.report.thumbnails._MAX_BYTES", 1)
    with built.open() as run:
        contents = collect(run.spark, run.lake, facts_of(run.lake))
    assert 0 < len(contents.thumbnails) < len(contents.points)
    assert "of them with a thumbnail" in render(contents)


def test_a_report_grows_with_its_lake(tmp_path: Path, cache: Path, spark: SparkSession) -> None:
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
    write_report(spark, lake.tables)  # as `fruitlake report` does, for the same run
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


def test_an_empty_lake_has_no_report(tmp_path: Path, spark: SparkSession) -> None:
    with pytest.raises(CatalogError, match="nothing to report"):
        write_report(spark, open_lake(str(tmp_path)))
    assert not list(tmp_path.iterdir())
