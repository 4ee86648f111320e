"""The report's page: every section stands, and no text can become markup."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from catalog.snapshots import Snapshot
from catalog.stored_pca import StoredPca
from expectations.check_result import CheckResult, to_json
from expectations.report import RunFacts, TableOutcome
from expectations.report.collect import table_audit
from expectations.report.contents import (
    Contents,
    Drift,
    Label,
    Movement,
    NearDuplicate,
    Pair,
    Point,
    Quarantine,
    QuarantinedFile,
    Suspect,
    TableAudit,
)
from expectations.report.curve import curve
from expectations.report.page import render, styles
from ingestion.counts import Conflict, Counts

SECTIONS = ("run", "audits", "drift", "labels", "variance", "map", "similar", "suspects", "quarantine", "about")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> & {{ 7 * 7 }} </title>"
PCA = StoredPca("pca", "model", 0.9, 10, np.zeros(3), np.eye(3)[:2], np.array([0.6, 0.32, 0.08]))


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
        pca=replace(PCA, pca_id=HOSTILE, model_id=HOSTILE),
        vectors=3,
        points=[Point(HOSTILE, HOSTILE, 0.0, 1.0), Point("b", "Kiwi", 1.0, 0.0)],
        thumbnails={HOSTILE: jpeg.getvalue()},
        pairs=[Pair(HOSTILE, "Kiwi", 0.5)],
        suspects=[Suspect(HOSTILE, HOSTILE, 2.0, HOSTILE, 1.0)],
        suspects_total=1,
        near_duplicates=(NearDuplicate(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.9995),),
        quarantine=Quarantine(1, [(HOSTILE, 1)], [QuarantinedFile(HOSTILE, HOSTILE, HOSTILE, None)]),
        purposes={(HOSTILE, HOSTILE): 1, (None, None): 2},
        drift=Drift({}, (HOSTILE,), (HOSTILE,), (Movement(HOSTILE, 1.0, 0.5),), PCA, HOSTILE),
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
            "lake",
            RunFacts("r", ()),
            labels=(Label("Kiwi", 1, 0.0, (0.0,)),),
            points=[Point("a", "Kiwi", 0.0, 0.0)],
        ),
        Contents("lake", RunFacts("r", ()), pca=replace(PCA, components=np.eye(1), eigenvalues=np.ones(1))),
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
    drawn = curve(PCA)
    assert drawn["k_y"] == pytest.approx(8)
    assert drawn["target_y"] == pytest.approx(10)
    assert 0 < drawn["k_x"] < 100
    assert drawn["path"].count("L") == 2


def test_colours_of_many_labels_differ() -> None:
    assert len(set(styles(12))) == 12
    assert len(set(styles(131))) == 131
