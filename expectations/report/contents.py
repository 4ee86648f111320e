"""The content of a page, as plain data: made by collect.py, rendered by page.py. None or empty: no such layer yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from expectations.check_result import CheckResult
from expectations.report.facts import RunFacts


@dataclass(frozen=True)
class TableAudit:
    """The audit of one table. result: passed, warned, or not audited; seconds: duration of the audit."""

    table: str
    result: str
    checks: tuple[CheckResult, ...] = ()
    seconds: str = ""


@dataclass(frozen=True)
class Label:
    """A label with its number of photos, and the spread and centroid of their vectors."""

    name: str
    photos: int
    spread: float | None = None
    centroid: tuple[float, ...] = ()


@dataclass(frozen=True)
class Variance:
    """The PCA in use; cumulative[i] is the share of the variance that the first i + 1 components keep."""

    pca_id: str
    model_id: str
    k: int
    target: float
    fitted_rows: int
    cumulative: tuple[float, ...]

    @property
    def kept(self) -> float:
        """Share of the variance that the k kept components explain."""
        return self.cumulative[self.k - 1] if 0 < self.k <= len(self.cumulative) else 0.0


@dataclass(frozen=True)
class Point:
    """A photo's position on the first two components."""

    image_id: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Pair:
    """Two labels and the cosine of their centroids."""

    label: str
    other: str
    cosine: float


@dataclass(frozen=True)
class Suspect:
    """A photo that is nearer to another label's centroid than to its own."""

    image_id: str
    label: str
    distance: float
    nearest_label: str
    nearest_distance: float


@dataclass(frozen=True)
class NearDuplicate:
    """Two photos with different labels but nearly the same features."""

    image_id: str
    label: str
    other_id: str
    other_label: str
    cosine: float


@dataclass(frozen=True)
class RejectedFile:
    """A file in quarantine."""

    path: str
    label: str | None
    reason: str
    detail: str
    size: int | None


@dataclass(frozen=True)
class Quarantine:
    """The quarantine. rows: the newest rejected files; total: the number of all of them."""

    total: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    rows: tuple[RejectedFile, ...] = ()


@dataclass(frozen=True)
class Purpose:
    """Processing purpose and legal basis of some batches of photos; None: not stated."""

    purpose: str | None
    legal_basis: str | None
    batches: int


@dataclass(frozen=True)
class RowsChange:
    """Row counts of a table before this run and now."""

    table: str
    before: int
    now: int


@dataclass(frozen=True)
class Movement:
    """How far a label's centroid moved, also as a share of the label's spread (None if the spread is 0 or unknown)."""

    label: str
    distance: float
    of_spread: float | None


@dataclass(frozen=True)
class Drift:
    """Changes between this run's snapshots and their predecessors. note: why a comparison is missing or partial."""

    rows: tuple[RowsChange, ...] = ()
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()
    movements: tuple[Movement, ...] = ()
    k_before: int | None = None
    kept_before: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Contents:
    """Everything that the page of a report shows."""

    lake: str
    run: RunFacts
    audits: tuple[TableAudit, ...] = ()
    labels: tuple[Label, ...] = ()
    variance: Variance | None = None
    vectors: int = 0
    points: tuple[Point, ...] = ()
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    suspects_total: int = 0
    near_duplicates: tuple[NearDuplicate, ...] = ()
    quarantine: Quarantine = Quarantine()
    purposes: tuple[Purpose, ...] = ()
    drift: Drift = Drift()
    versions: Mapping[str, str] = field(default_factory=dict)
