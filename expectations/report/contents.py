"""The content of a page, as plain data: made by collect.py, rendered by page.py. None or empty: no such layer yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from catalog.stored_pca import StoredPca
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


class Point(NamedTuple):
    """A photo on the map: x and y are its first two components."""

    image_id: str
    label: str
    x: float
    y: float


class Pair(NamedTuple):
    """Two labels, and the cosine between their centroids."""

    label: str
    other_label: str
    cosine: float


class Suspect(NamedTuple):
    """A photo that is nearer to another label's centroid than to its own; a row of gold.label_suspects."""

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


class QuarantinedFile(NamedTuple):
    """A rejected file; size: None if it is not known."""

    source_path: str
    reason: str
    detail: str | None
    size: int | None


@dataclass(frozen=True)
class Quarantine:
    """The quarantine. reasons: number of files by reason; rows: the newest files; total: how many there are."""

    total: int = 0
    reasons: Sequence[tuple[str, int]] = ()
    rows: Sequence[QuarantinedFile] = ()


@dataclass(frozen=True)
class Movement:
    """How far a label's centroid moved, also as a share of the label's spread (None if the spread is 0 or unknown)."""

    label: str
    distance: float
    of_spread: float | None


@dataclass(frozen=True)
class Drift:
    """Changes between this run's snapshots and their predecessors.

    rows: by table, the number of rows before and now; pca_before: the PCA that this run replaced; note: why a
    comparison is missing or partial.
    """

    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()
    movements: tuple[Movement, ...] = ()
    pca_before: StoredPca | None = None
    note: str = ""


@dataclass(frozen=True)
class Contents:
    """Everything that the page of a report shows.

    purposes: by processing purpose and legal basis of photos, None if not stated, the number of batches.
    """

    lake: str
    run: RunFacts
    audits: tuple[TableAudit, ...] = ()
    labels: tuple[Label, ...] = ()
    pca: StoredPca | None = None
    vectors: int = 0
    points: Sequence[Point] = ()
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    pairs: Sequence[Pair] = ()
    suspects: Sequence[Suspect] = ()
    suspects_total: int = 0
    near_duplicates: tuple[NearDuplicate, ...] = ()
    quarantine: Quarantine = Quarantine()
    purposes: Mapping[tuple[str | None, str | None], int] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)
    versions: Mapping[str, str] = field(default_factory=dict)
