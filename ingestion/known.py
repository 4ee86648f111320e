"""Check without Spark whether a source holds anything new: most scheduled runs find the same photos as the last one.

source ──walk──▶ files ──path, size, modification time──▶ all in bronze? their counts : None at the first new file
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bronze import UNSETTLED, VERSION
from ingestion.counts import Counts
from ingestion.walk import Source


def known_counts(source: Source, images: pa.Table, quarantine: pa.Table) -> Counts | None:
    """Counts of a run over the source if it has nothing new; None if there is a file to read, or no file at all.

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
