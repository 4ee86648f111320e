"""Locate the checkpoints of streams. They contain the paths of files, so an erasure deletes them."""

from __future__ import annotations

from catalog.lake import Lake


def checkpoints(lake: Lake) -> str:
    """The folder of the checkpoints.

    A stream that has lost its checkpoint lists the source again and skips the files that the lake knows.
    """
    return f"{lake.uri}/_stream"
