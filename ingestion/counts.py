"""What becomes of the files of a source: how many had which outcome, and which of them are in conflict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Counts:
    """Number of files per outcome: found = stored + known + relabelled + quarantined + conflicts + blocked.

    Attributes:
        known: the photo is already in the lake, with the file's label.
        relabelled: a known photo whose file has moved to another label.
        conflicts: the photo is stored with another label, and the file of that label still exists.
        blocked: the photo was erased with `--and-block`.
        ignored: files that are not photos, judging by their path; not included in `found`.
    """

    found: int
    stored: int
    known: int
    relabelled: int
    quarantined: int
    conflicts: int
    blocked: int
    ignored: int


class Conflict(NamedTuple):
    """A file whose photo is already stored with another label, and the label that the photo keeps."""

    source_path: str
    label: str
    kept_label: str
