"""Find files that have arrived in a source, with Spark's file stream, and read their size and date.

source ──listing per trigger──▶ new files ──batch by batch──▶ Arrival: the file, and when it arrived

Spark remembers files by path in its checkpoint. It ignores names that begin with `_` or `.`, and never returns a file
twice, so overwritten files are left to the next ordinary run.
"""

import os
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from pyspark.sql import DataFrame, Row, SparkSession

from catalog.storage import is_remote, local_or_s3
from ingestion.walk import Source, SourceFile

_SCHEMA = "path string, modificationTime timestamp, length bigint, content binary"  # `binaryFile` has no other
_REQUESTS = 16  # concurrent ones to S3
_WAIT_AT_MOST = 30.0  # seconds, for files that are still being written
_OPTIONS = {
    "recursiveFileLookup": "true",
    # counted from the newest file: with the default of a week, files copied with an older date (`cp -p`) are silently
    # ignored
    "maxFileAge": "36500d",
    "ignoreMissingFiles": "true",  # a file deleted before its batch must not end the stream
}


class Arrival(NamedTuple):
    """A file, and its time of arrival in seconds since 1970, which is later than its date if the date was copied."""

    file: SourceFile
    since: float


@dataclass(frozen=True)
class Listing:
    """A stream's way to find files without a queue (events.py): Spark lists the source."""

    name: str  # the source's root; identifies the stream's checkpoint
    per_batch: int  # maximum number of files

    def read(self, spark: SparkSession) -> DataFrame:
        """A streaming DataFrame of the paths of the source's files."""
        options = _OPTIONS | {"maxFilesPerTrigger": str(self.per_batch)}
        place = re.sub(r"([\[\]{}*?\\])", r"\\\1", self.name) + "/"  # Spark would read them as a glob
        return spark.readStream.format("binaryFile").schema(_SCHEMA).options(**options).load(place).select("path")

    def paths(self, batch: Sequence[Row]) -> list[str]:
        """Paths of the files of a batch."""
        return [local_or_s3(row.path) for row in batch]

    def taken(self, batch: Sequence[Row]) -> None:
        """Called when the files of a batch have been published. Spark's checkpoint keeps their paths."""


def look_at(source: Source, found: Iterable[str], settle: float) -> list[Arrival]:
    """The files of a batch that still exist. On a disk, first wait until none was written to for `settle` seconds."""
    paths = list(dict.fromkeys(found))  # `a/b` is listed twice if there is an object `a`, too
    if is_remote(source.root):
        with ThreadPoolExecutor(_REQUESTS) as pool:
            files = [file for file in pool.map(source.look, paths) if file]
        return [Arrival(file, (file.source_modified_at or datetime.now(UTC)).timestamp()) for file in files]
    deadline = time.monotonic() + _WAIT_AT_MOST
    while any(_is_young(path, settle) for path in paths) and time.monotonic() < deadline:
        time.sleep(min(settle, 0.2))
    return [Arrival(file, _came(path)) for path in paths if (file := source.look(path))]


def _is_young(path: str, settle: float) -> bool:
    try:
        return 0 <= time.time() - os.stat(path).st_mtime < settle  # ignores dates in the future
    except OSError:
        return False


def _came(path: str) -> float:
    try:
        found = os.stat(path)
        return max(found.st_mtime, found.st_ctime)
    except OSError:
        return time.time()
