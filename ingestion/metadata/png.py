"""PNG: keep the chunks that pixels and their colours are made of; texts, times, EXIF and further frames go.

magic │ IHDR │ tEXt, tIME, acTL … │ PLTE, tRNS, gAMA … │ IDAT … │ fdAT, tEXt … │ IEND │ trailing data
               orientation, colours                               gone                   gone
"""

from __future__ import annotations

import zlib
from typing import Final

from ingestion.metadata.colours import LARGEST_PROFILE, bare_profile
from ingestion.metadata.turn import exif_of_turn

MAGIC: Final = b"\x89PNG\r\n\x1a\n"

_PIXELS: Final = {b"IHDR", b"PLTE", b"IDAT", b"tRNS"}
# Numbers only, and so many bytes at most: what is longer holds something else, too.
_COLOURS: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"sBIT": 4, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
_TURNING: Final = (b"XML:com.adobe.xmp", b"Raw profile type")  # texts that may hold an orientation, too


def strip(data: bytes) -> bytes:
    kept: list[bytes] = []
    profile = b""
    may_be_turned = False
    tail = _IEND
    at = len(MAGIC)
    first = 0  # how many of the kept chunks stand before ours: IHDR
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + length + 12
        if kind == b"IDAT" and end > len(data):
            tail = data[at:]  # cut short: whether enough of it is there shows when it is decoded
            break
        if kind == b"IEND" or end > len(data):
            break
        if kind in _PIXELS or length <= _COLOURS.get(kind, -1):
            kept.append(data[at:end])
            first = first or 1
        elif kind == b"iCCP":
            profile = profile or _profile(data[at + 8 : end - 4])
        elif kind == b"eXIf" or data.startswith(_TURNING, at + 8):
            may_be_turned = True
        at = end
    exif = exif_of_turn(data) if may_be_turned else b""
    ours = [profile, _chunk(b"eXIf", exif) if exif else b""]
    return b"".join([MAGIC, *kept[:first], *ours, *kept[first:], tail])


def _profile(body: bytes) -> bytes:
    """The iCCP chunk with the bare colour profile, empty if there is none that can be read."""
    _, _, packed = body.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(packed[1:], LARGEST_PROFILE)
    except zlib.error:
        return b""
    bare = bare_profile(profile)
    return _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(bare)) if bare else b""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


_IEND: Final = _chunk(b"IEND", b"")
