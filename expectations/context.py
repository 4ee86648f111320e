"""What an audit knows besides the rows: the run's settings, what the run has read, and the table's last snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame  # settings import this module, and read-only commands must not load Spark


@dataclass(frozen=True)
class Intake:
    """What a run has read. files: new files that hold a photo, except moved photos; photos: the new photos in them."""

    files: int
    photos: int


@dataclass(frozen=True)
class PcaInUse:
    """The PCA of the vectors being audited: its id, and their length k."""

    pca_id: str
    k: int


@dataclass(frozen=True)
class Previous:
    """The table as readers see it before this publish.

    rows: all of its rows; count: how many; pca_id: the PCA of its vectors, None if it has no vectors.
    """

    rows: DataFrame
    count: int
    pca_id: str | None = None


@dataclass(frozen=True)
class AuditContext:
    """Facts about the change that cannot be read from its rows. None: not known, or not applicable.

    expected_rows: number of rows the change must write.
    pca: the PCA of the vectors, or of what was derived from them.
    explained: image_id and `explained` of each photo that the PCA was not fitted on: the part of its squared distance
        from the mean that the PCA keeps, divided by the average squared distance of these photos.
    erasing: rows are deleted on purpose, so the table may shrink.
    inputs: row counts of the upstream tables, by table name.
    relabelled: labels that photos were moved away from, and which may therefore be gone.
    """

    variance: float = 0.90
    intake: Intake | None = None
    expected_rows: int | None = None
    pca: PcaInUse | None = None
    explained: DataFrame | None = None
    erasing: bool = False
    inputs: Mapping[str, int] = field(default_factory=dict)
    relabelled: frozenset[str] = frozenset()
