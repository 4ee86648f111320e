"""What a catalog does: it is the truth of which snapshot of a table readers see."""

from __future__ import annotations

from typing import Protocol

from catalog.snapshot import Snapshot


class Catalog(Protocol):
    @property
    def lake(self) -> str:
        """URI or absolute path of the lake, without a trailing slash."""

    def tables(self) -> list[str]:
        """Names of the published tables, sorted."""

    def current(self, table: str) -> Snapshot | None:
        """The snapshot readers see, or None if the table was never published."""

    def publish(self, snapshot: Snapshot) -> None:
        """Make the snapshot current, in one atomic step.

        Raises ConcurrentPublishError if `snapshot.parent` is not the current snapshot any more.
        """

    def history(self, table: str, whole: bool = False) -> list[Snapshot]:
        """The snapshots of the table, newest first; a damaged entry is named in a warning and left out.

        whole: who removes what no snapshot needs must know all of them. Raises CatalogError for a damaged entry.
        """

    def rollback(self, table: str, snapshot_id: str) -> Snapshot:
        """Make an older snapshot current again. Raises CatalogError if there is none of that id."""

    def repair(self) -> None:
        """Before a run writes: mend what a publish that was killed left where other engines look.

        Readers of this catalog follow the pointer and never saw it; a lake that is whole stays as it is.
        """

    def drop(self, table: str) -> None:
        """As if the table had never been published: no pointer, no history; its files are not touched."""

    def forget(self, table: str, snapshot_id: str) -> None:
        """Take an older snapshot out of the history; its files are not touched.

        Raises CatalogError if there is none of that id, or it is the current one.
        """
