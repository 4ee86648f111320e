"""What a run knows and the rows it wrote do not say; the audit measures one against the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_QUARANTINE_SHARE = 0.05  # unless --max-quarantine-share says otherwise


@dataclass(frozen=True)
class Intake:
    """What became of the source's files, before the accepted ones are published.

    files: all that were listed; quarantined: those rejected now or before; new: files not seen in an earlier
    run; rejected: the new ones among quarantined.
    """

    files: int
    quarantined: int
    new: int
    rejected: int


@dataclass(frozen=True)
class PcaInUse:
    pca_id: str
    k: int


@dataclass(frozen=True)
class Facts:
    """intake and pca are None, and expected_rows too, where the run has nothing to say of them.

    explained: share of the variance of the photos added since the PCA was fitted that it explains, None if there are
    none. erasing: photos are being erased, so that a table may have fewer rows than before.
    """

    variance: float = 0.90
    max_quarantine_share: float = MAX_QUARANTINE_SHARE
    intake: Intake | None = None
    expected_rows: int | None = None
    pca: PcaInUse | None = None
    explained: float | None = None
    erasing: bool = False

    def limits(self) -> Mapping[str, float]:
        """The limits that thresholds.yml leaves to the run, by the names it uses."""
        return {
            "variance": self.variance,
            "max_quarantine_share": self.max_quarantine_share,
            "refit_below": self.refit_below,
        }

    @property
    def refit_below(self) -> float:
        """The share of new photos' variance below which the PCA should be fitted anew: a tenth less than its target."""
        return round(self.variance * 0.9, 6)
