"""A change of a table as its audit sees it: the rows, and the facts about it that cannot be read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow.dataset as ds
from pyspark.sql import DataFrame

from catalog.tables import Table


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
class Audited:
    """A change being audited. None: not known, or not applicable.

    Attributes:
        table: the table being changed.
        written: the rows added by the change; none for a deletion.
        whole: the table after the change; the same DataFrame as written if the whole table is replaced.
        files: data files of the `whole` table, and of the rows `written` unless they share files with others.
        previous: the table as readers see it, None if it was never published.
        new_files: new files that the run has read and that hold a photo, except moved photos.
        new_photos: the new photos in them.
        expected_rows: number of rows the change must write.
        pca: the PCA of the vectors, or of what was derived from them.
        explained: image_id and `explained` of each photo that the PCA was not fitted on: the part of its squared
            distance from the mean that the PCA keeps, divided by the average squared distance of these photos.
        erasing: rows are deleted on purpose, so the table may shrink.
        inputs: row counts of the upstream tables, by table name.
        relabelled: labels that photos were moved away from, and which may therefore be gone.
    """

    table: Table
    written: DataFrame
    whole: DataFrame
    files: Mapping[str, ds.Dataset] = field(default_factory=dict)
    previous: Previous | None = None
    variance: float = 0.90
    new_files: int | None = None
    new_photos: int | None = None
    expected_rows: int | None = None
    pca: PcaInUse | None = None
    explained: DataFrame | None = None
    erasing: bool = False
    inputs: Mapping[str, int] = field(default_factory=dict)
    relabelled: frozenset[str] = frozenset()
