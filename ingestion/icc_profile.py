"""Reduce an ICC profile to the numbers needed to compute colours, without anything about the device or its owner.

    header (128 bytes) │ tag table │ desc, cprt, dmnd, meta, … │ curves and matrices
    dates, makers,                   replaced by one fixed        kept
    serial zeroed                    text, or gone

A photo without its profile would be shown in wrong colours (Display P3 as if it were sRGB), so the profile is kept. But
the profile of a screen or scanner names the device, the date of its calibration, and sometimes the person.
"""

import struct
from functools import lru_cache
from typing import Final

LARGEST_PROFILE: Final = 4 * 1024 * 1024  # bytes; a printer's profile has about 2 MB

_HEADER: Final = 128
_ZEROED: Final = ((4, 8), (24, 36), (40, 44), (48, 56), (80, 128))  # CMM, date, platform, device, creator, ID
_COLOUR_TAGS: Final = {
    *(f"{c}{kind}".encode() for c in "rgb" for kind in ("XYZ", "TRC")),
    *(f"{a}{n}".encode() for a in ("A2B", "B2A", "D2B", "B2D") for n in range(4)),
    *(b"kTRC", b"wtpt", b"bkpt", b"chad", b"chrm", b"gamt", b"lumi", b"cicp"),
}
_TEXT: Final = "colour profile"
_TAGS_AT_MOST: Final = 200


@lru_cache(maxsize=8)  # photos of one camera share their profile
def bare_profile(profile: bytes) -> bytes:
    """The profile with the same colours and without identifying data; empty if it is damaged."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    if len(profile) < _HEADER + 4 or profile[36:40] != b"acsp" or count > _TAGS_AT_MOST:
        return b""
    header = bytearray(profile[:_HEADER])
    for start, end in _ZEROED:
        header[start:end] = bytes(end - start)
    tags = _texts(header[8])
    table = profile[_HEADER + 4 : _HEADER + 4 + 12 * count]
    for name, start, size in struct.iter_unpack(">4sII", table[: len(table) // 12 * 12]):
        if name in _COLOUR_TAGS and start + size <= len(profile):
            tags[name] = profile[start : start + size]
    return _assemble(header, tags) if _COLOUR_TAGS & tags.keys() else b""


def _assemble(header: bytearray, tags: dict[bytes, bytes]) -> bytes:
    """Build a profile from these tags; tags with the same content share one copy."""
    at = _HEADER + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for content in tags.values():
        if content not in places:
            places[content] = at
            at += len(content) + -len(content) % 4
    table = [name + _bytes(places[content]) + _bytes(len(content)) for name, content in tags.items()]
    padded = [content + bytes(-len(content) % 4) for content in places]
    header[:4] = _bytes(at)
    return b"".join([bytes(header), _bytes(len(tags)), *table, *padded])


def _texts(version: int) -> dict[bytes, bytes]:
    """The tags that every profile must have: description and copyright."""
    if version >= 4:
        wide = _TEXT.encode("utf-16-be")
        text = b"mluc\0\0\0\0" + _bytes(1) + _bytes(12) + b"enUS" + _bytes(len(wide)) + _bytes(28) + wide
        return {b"desc": text, b"cprt": text}
    text = _TEXT.encode() + b"\0"
    return {b"desc": b"desc\0\0\0\0" + _bytes(len(text)) + text + bytes(78), b"cprt": b"text\0\0\0\0" + text}


def _bytes(number: int) -> bytes:
    return number.to_bytes(4, "big")
