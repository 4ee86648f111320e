"""What a page shows, as plain data: made by collect.py, drawn by page.py. None or empty: that layer is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from expectations.report.facts import RunFacts


@dataclass(frozen=True)
class Check:
    """One audit outcome, already in words."""

    name: str
    severity: str
    passed: bool
    observed: str
    expected: str


@dataclass(frozen=True)
class TableAudit:
    """result: passed, warned, failed, or not audited."""

    table: str
    result: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Label:
    name: str
    photos: int
    spread: float | None = None
    centroid: tuple[float, ...] = ()


@dataclass(frozen=True)
class Variance:
    """The PCA in use; cumulative[i] is the share of the variance that i + 1 components keep."""

    pca_id: str
    model_id: str
    k: int
    target: float
    fitted_rows: int
    cumulative: tuple[float, ...]

    @property
    def kept(self) -> float:
        return self.cumulative[self.k - 1] if 0 < self.k <= len(self.cumulative) else 0.0


@dataclass(frozen=True)
class Point:
    image_id: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Pair:
    label: str
    other: str
    cosine: float


@dataclass(frozen=True)
class RejectedFile:
    path: str
    label: str | None
    reason: str
    detail: str
    size: int | None


@dataclass(frozen=True)
class Quarantine:
    """rows holds the newest rejected files, total all of them."""

    total: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    rows: tuple[RejectedFile, ...] = ()


@dataclass(frozen=True)
class Grounds:
    """What some batches of photos are kept for, and on which legal basis; None: nobody has said."""

    purpose: str | None
    legal_basis: str | None
    batches: int


@dataclass(frozen=True)
class RowsChange:
    table: str
    before: int
    now: int


@dataclass(frozen=True)
class Movement:
    """How far a label's centroid went, also as a share of the label's spread (None if it has no spread)."""

    label: str
    distance: float
    of_spread: float | None


@dataclass(frozen=True)
class Drift:
    """This run's snapshots against the ones before. note says why there is nothing, or less, to compare."""

    rows: tuple[RowsChange, ...] = ()
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()
    movements: tuple[Movement, ...] = ()
    k_before: int | None = None
    kept_before: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contents:
    lake: str
    run: RunFacts
    audits: tuple[TableAudit, ...] = ()
    labels: tuple[Label, ...] = ()
    variance: Variance | None = None
    vectors: int = 0
    points: tuple[Point, ...] = ()
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    quarantine: Quarantine = Quarantine()
    grounds: tuple[Grounds, ...] = ()
    drift: Drift = Drift()
    versions: Mapping[str, str] = field(default_factory=dict)
