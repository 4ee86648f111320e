"""What becomes of the files of a source: how many had which outcome, and which of them are in conflict."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.walk import Source

VERSION = ["source_path", "size", "source_modified_at"]  # identifies one version of a source file
# Files quarantined for this reason are tried again: permissions, network or memory may have changed since.
UNSETTLED = "unreadable source"


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


def known_counts(source: Source, images: pa.Table, quarantine: pa.Table) -> Counts | None:
    """Counts of a run over the source if it has nothing new; None if there is a file to read, or no file at all.

    Starts no Spark: most scheduled runs find the same photos as the last one.

    Args:
        source: the tree of photos.
        images: source_path, size and source_modified_at of bronze.images.
        quarantine: the same columns of bronze.quarantine, and reason.
    """
    stored = _versions(images)
    rejected = _versions(quarantine.filter(pc.field("reason") != UNSETTLED))
    found = ignored = quarantined = 0
    for file in source.walk(source.root, deep=True):
        if file.ignored is not None:
            ignored += 1
            continue
        version = (file.source_path, file.size, file.source_modified_at)
        if version in rejected:
            quarantined += 1
        elif version not in stored:
            return None
        found += 1
    return Counts(found, 0, found - quarantined, 0, quarantined, 0, 0, ignored) if found else None


def _versions(files: pa.Table) -> set[tuple[object, ...]]:
    return set(zip(*(files[column].to_pylist() for column in VERSION), strict=True))
