"""Strip and check mutated photos: each must be accepted unchanged or rejected, within limits on time and memory.

python -m tests.torture --photos 20000 --kills 0
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np
from PIL import Image

from ingestion.metadata import has_metadata, strip
from ingestion.metadata.webp import is_webp
from ingestion.photo import Rejected, check, decode
from tests.bench.memory import name_and_peak
from tests.torture.mutants import mutant, whole_files
from tests.torture.pace import pace

SECONDS_PER_PHOTO = 10  # CPU time
SECONDS_BETWEEN_WORDS = 10
MEGABYTES_PER_WORKER = 2_000  # for comparison: the largest accepted photo has 50 million pixels, 200 MB as RGBA


@dataclass
class Tried:
    """Statistics: inputs = taken + refused, the latter by reason.

    salvaged: accepted, but not readable before stripping. strict: rejected, but readable by Pillow: JPEGs with a
    damaged length in the header, or a header inside the pixels. ran_on: accepted with different pixels, because the
    decoder used bytes after the damaged image, which are stripped.
    """

    inputs: int = 0
    taken: int = 0
    salvaged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    strict: int = 0
    ran_on: int = 0
    slowest: float = 0.0  # seconds of CPU time
    memory: float = 0.0  # MB, peak of the process

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.refused.most_common())
        return (
            f"{self.inputs:,} mutated files = {self.taken:,} taken ({self.salvaged:,} only thanks to stripping, "
            f"{self.ran_on:,} decoded by what had followed their end) + "
            f"{self.refused.total():,} refused ({reasons}; {self.strict:,} strictly); "
            f"slowest {self.slowest:.2f} s, memory {self.memory:,.0f} MB"
        )


def try_photos(count: int, seed: int, say: Callable[[str], None] | None = None) -> Tried:
    """Try mutants; raises AssertionError, naming the mutant, if one is changed, keeps metadata, is slow or crashes."""
    files, tried = whole_files(), Tried()
    begun = said = time.monotonic()
    for number in range(count):
        data = mutant(Random(seed * 1_000_003 + number), files)
        started = time.process_time()  # CPU time, so that other load on the machine does not count
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_PHOTO)  # kills the process on a hang, so nothing can catch it
        try:
            _try_photo(data, tried)
        except Exception as error:
            raise AssertionError(f"mutant {number} of seed {seed} ({data[:16]!r}…, {len(data)} bytes)") from error
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        tried.slowest = max(tried.slowest, time.process_time() - started)
        now = time.monotonic()
        if say and now - said > SECONDS_BETWEEN_WORDS:
            said = now
            say(f"{tried.inputs:,} of {count:,} mutated files; {pace(tried.inputs, count, now - begun)}")
    tried.memory = name_and_peak(os.getpid())[1]
    assert tried.inputs == tried.taken + tried.refused.total() == count
    assert tried.memory < MEGABYTES_PER_WORKER, tried
    assert tried.strict < count * 0.01 + 3, tried
    assert tried.ran_on < count * 0.001 + 1, tried
    return tried


def _try_photo(data: bytes, tried: Tried) -> None:
    tried.inputs += 1
    stored = strip(data)
    before, after = _decoded(data), _decoded(stored)
    try:
        facts = check(stored)
    except Rejected as rejected:
        tried.refused[rejected.reason] += 1
        tried.strict += before is not None and rejected.reason != "too small"
        assert after is None or rejected.reason == "too small", "silver could use what bronze refuses"
        return
    assert not has_metadata(stored), "stripping again takes away more"
    assert after is not None, "silver cannot use what bronze takes"
    assert after.size == facts
    if before is not None and after.tobytes() != before.tobytes():
        assert _differ_by_what_followed(before, after, data, stored), "the pixels have changed"
        tried.ran_on += 1
    tried.taken += 1
    tried.salvaged += before is None


def _decoded(data: bytes) -> Image.Image | None:
    try:
        return decode(data)
    except Rejected:
        return None


def _differ_by_what_followed(before: Image.Image, after: Image.Image, data: bytes, stored: bytes) -> bool:
    """Whether the pixels differ only because the bytes after the image were removed.

    WebP decoders read beyond a damaged end. libjpeg-turbo decodes the last few hundred bytes of a file differently,
    which changes the pixels of damaged data; with enough bytes after the image, the pixels are the same again.
    """
    if is_webp(data):
        return bool(np.mean(np.asarray(after) != np.asarray(before)) < 0.01)
    again = _decoded(stored + bytes(len(data)))
    return again is not None and again.tobytes() == before.tobytes()
