"""PNG: keep the chunks needed to decode pixels and colours; remove texts, times, EXIF and further frames.

magic │ IHDR │ tEXt, tIME, acTL … │ PLTE, tRNS, gAMA … │ IDAT … │ fdAT, tEXt … │ IEND │ trailing data
               orientation, colours                               gone                   gone
"""

import zlib
from typing import Final

from ingestion.icc_profile import LARGEST_PROFILE, bare_profile
from ingestion.metadata.orientation import exif_of_orientation

MAGIC: Final = b"\x89PNG\r\n\x1a\n"

_PIXELS: Final = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256}
_COLOURS: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"sBIT": 4, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
# Largest legal size in bytes: these chunks hold only numbers, so a longer one also holds something else.
_LARGEST: Final = _PIXELS | _COLOURS
_ORIENTATION_TEXTS: Final = (b"XML:com.adobe.xmp", b"Raw profile type")  # text chunks that may hold an orientation


def strip(data: bytes) -> bytes:
    """The PNG without its metadata; see the package's `strip`."""
    kept: list[bytes] = []
    profile = b""
    may_have_orientation = False
    tail = _IEND
    at = len(MAGIC)
    first = 0  # number of kept chunks before the ones we add: IHDR
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + length + 12
        if kind == b"IDAT" and end > len(data):
            tail = data[at:]  # cut short; decoding will show whether enough is there
            break
        if kind == b"IEND" or end > len(data):
            break
        if kind == b"IDAT" or length <= _LARGEST.get(kind, -1):
            kept.append(data[at:end])
            first = first or 1
        elif kind == b"iCCP":
            profile = profile or _profile(data[at + 8 : end - 4])
        elif kind == b"eXIf" or data.startswith(_ORIENTATION_TEXTS, at + 8):
            may_have_orientation = True
        at = end
    exif = exif_of_orientation(data) if may_have_orientation else b""
    ours = [profile, _chunk(b"eXIf", exif) if exif else b""]
    return b"".join([MAGIC, *kept[:first], *ours, *kept[first:], tail])


def _profile(body: bytes) -> bytes:
    """The iCCP chunk with the bare colour profile; empty if the profile cannot be read."""
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
