"""Locate the checkpoints of streams. They contain the paths of files, so an erasure deletes them."""

from __future__ import annotations

from pathlib import Path

from catalog.lake import Lake
from catalog.storage import is_remote


def checkpoints(lake: Lake, cache: Path) -> str:
    """The folder of the checkpoints: in the lake, or in this machine's cache if the lake is in a bucket.

    Spark writes checkpoints with Hadoop's file systems, and the one for S3 is not among its jars (bootstrap/jars.py).
    A stream that has lost its checkpoint lists the source again and skips the files that the lake knows.
    """
    return f"{cache}/stream/{lake.uri.removeprefix('s3://')}" if is_remote(lake.uri) else f"{lake.uri}/_stream"
