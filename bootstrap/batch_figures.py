"""The figures of a stream's batch, as a line on the terminal and as a line of JSON in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bootstrap.arrivals import Arrival
from ingestion.counts import Counts


@dataclass(frozen=True)
class BatchFigures:
    """Number of files per outcome, duration in seconds, and the median age in seconds of the files when published."""

    batch: int
    at: str
    files: int
    stored: int
    quarantined: int
    ignored: int
    seconds: float
    seconds_behind: float
    photos_per_second: float

    def __str__(self) -> str:
        """The line for the terminal."""
        return (
            f"batch {self.batch}: {self.files:,} photos, {self.stored:,} stored, {self.quarantined:,} quarantined; "
            f"{self.seconds_behind:.1f} s behind, {self.photos_per_second:.1f} photos/s"
        )

    def append_to(self, path: Path) -> None:
        """Append the figures to a file, as one line of JSON."""
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self)) + "\n")


def figures_of(number: int, counts: Counts, arrivals: Sequence[Arrival], seconds: float) -> BatchFigures:
    """The figures of a batch that has just been published."""
    return BatchFigures(
        batch=number,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=counts.found,
        stored=counts.stored,
        quarantined=counts.quarantined,
        ignored=counts.ignored,
        seconds=round(seconds, 2),
        seconds_behind=round(median(time.time() - arrival.since for arrival in arrivals), 2),
        photos_per_second=round(counts.found / seconds, 1),
    )
