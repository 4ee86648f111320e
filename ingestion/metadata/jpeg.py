"""JPEG: keep the segments needed to decode pixels; remove APP1 to APP13, APP15, comments and trailing data.

SOI │ APP0 JFIF │ APPn, COM … │ DQT, SOF, DHT … │ SOS + scan │ … │ EOI │ further images, videos
      without    orientation,                                          gone
      thumbnail  colours
"""

import re
from typing import Final

from ingestion.icc_profile import bare_profile
from ingestion.jpeg import EOI, NO_LENGTH, SOS, next_marker
from ingestion.metadata.orientation import exif_of_orientation

MAGIC: Final = b"\xff\xd8\xff"

_SOI: Final = b"\xff\xd8"
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_PIXELS: Final = {*range(0xC0, 0xD0), *range(0xDA, 0xE0)}  # frames, tables, scans
_TWO_BYTES: Final = {0xDC, 0xDD}  # number of lines, restart interval; a longer segment would hold something else
_JFIF, _ADOBE, _ICC = b"JFIF\0", b"Adobe", b"ICC_PROFILE\0"
_JFIF_BYTES, _ADOBE_BYTES = 12, 12  # without the thumbnail's size, and without what may follow
_PROFILE_BYTES: Final = 65_519  # per segment

# There are no markers below 0xC0; like decoders, skip such bytes inside a damaged scan.
# Search for a single \xff, though there may be more: a literal first byte makes the search 25 times as fast.
_end_of_scan = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]", re.DOTALL).search


def strip(data: bytes) -> bytes:
    """The JPEG without its metadata; see the package's `strip`."""
    kept: list[bytes] = []
    profile: list[bytes] = []
    may_have_orientation = False
    at = len(_SOI)
    while marker := next_marker(data, at):
        kind, at = marker[1][0], marker.end()
        if kind == EOI[1]:
            kept.append(EOI)
            break
        if kind in NO_LENGTH:
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            break
        body, at = data[at + 2 : end], end
        if kind in _TWO_BYTES and len(body) != 2:
            continue
        kept += _without_metadata(kind, body)
        if kind == _APP2 and body.startswith(_ICC):
            profile.append(body[len(_ICC) :])
        may_have_orientation |= kind == _APP1
        if kind == SOS:
            found = _end_of_scan(data, end)
            at = found.start() if found else len(data)
            kept.append(data[end:at])
    exif = exif_of_orientation(data) if may_have_orientation else b""
    ours = [*([_segment(_APP1, b"Exif\0\0" + exif)] if exif else []), *_profile(profile)]
    first = 1 if kept and kept[0][4:].startswith(_JFIF) else 0
    return b"".join([_SOI, *kept[:first], *ours, *kept[first:]])


def _without_metadata(kind: int, body: bytes) -> list[bytes]:
    """The segment, reduced to what is needed to decode pixels; empty if it is not needed at all."""
    if kind in _PIXELS:
        return [_segment(kind, body)]
    if kind == _APP0 and body.startswith(_JFIF) and len(body) >= _JFIF_BYTES + 2:  # decoders ignore a shorter one
        return [_segment(kind, body[:_JFIF_BYTES] + b"\0\0")]  # no thumbnail
    if kind == _APP14 and body.startswith(_ADOBE):
        return [_segment(kind, body[:_ADOBE_BYTES])]  # tells how colours are encoded
    return []


def _segment(kind: int, body: bytes) -> bytes:
    return b"\xff%c%b%b" % (kind, (len(body) + 2).to_bytes(2, "big"), body)


def _profile(parts: list[bytes]) -> list[bytes]:
    """The bare colour profile as segments; each part begins with its number and the number of parts."""
    parts = sorted(parts)
    if len(parts) > 255 or [part[:2] for part in parts] != [bytes([i, len(parts)]) for i in range(1, len(parts) + 1)]:
        return []
    bare = bare_profile(b"".join(part[2:] for part in parts))
    pieces = [bare[i : i + _PROFILE_BYTES] for i in range(0, len(bare), _PROFILE_BYTES)]
    return [_segment(_APP2, _ICC + bytes([i, len(pieces)]) + piece) for i, piece in enumerate(pieces, 1)]
