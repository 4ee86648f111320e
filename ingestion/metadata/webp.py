"""WebP: keep the chunks of the image, or of an animation's first frame; remove EXIF, XMP and unknown chunks.

RIFF │ size │ WEBP │ VP8X flags │ ICCP │ ANIM, ANMF | ALPH, VP8 , VP8L │ EXIF │ XMP , unknown │ trailing data
                     updated      colours                                orientation  gone       gone
"""

from collections.abc import Iterator
from typing import Final

from ingestion.icc_profile import bare_profile
from ingestion.metadata.orientation import exif_of_orientation

_IMAGES: Final = {b"VP8 ", b"VP8L", b"ANMF"}
_PIXELS: Final = {*_IMAGES, b"VP8X", b"ALPH", b"ANIM"}
_HEADERS: Final = {b"VP8X": 10, b"ANIM": 6}  # bytes; a longer chunk also holds something else
_ICC_FLAG, _EXIF_FLAG, _XMP_FLAG = 0x20, 0x08, 0x04
_FRAME_HEADER: Final = 16  # bytes of an ANMF before its own chunks


def is_webp(data: bytes) -> bool:
    """Whether the bytes start like a WebP file."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def strip(data: bytes) -> bytes:
    """The WebP without its metadata; see the package's `strip`."""
    kept: list[bytes] = []
    profile = b""
    may_have_orientation = seen_image = False
    for kind, body in _chunks(data, 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))):
        if kind in _PIXELS and not seen_image:
            kept.append(_chunk(kind, _frame(body) if kind == b"ANMF" else body[: _HEADERS.get(kind)]))
            seen_image = kind in _IMAGES
        elif kind == b"ICCP":
            profile = profile or bare_profile(body)
        elif kind in (b"EXIF", b"XMP "):
            may_have_orientation = True
    if kept and kept[0].startswith(b"VP8X") and len(kept[0]) > 8:  # without it a WebP has neither profile nor EXIF
        exif = exif_of_orientation(data) if may_have_orientation else b""
        flags = kept[0][8] & ~(_ICC_FLAG | _EXIF_FLAG | _XMP_FLAG)
        flags |= (_ICC_FLAG if profile else 0) | (_EXIF_FLAG if exif else 0)
        kept[0] = kept[0][:8] + bytes([flags]) + kept[0][9:]
        kept[1:1] = [_chunk(b"ICCP", profile)] if profile else []
        kept += [_chunk(b"EXIF", exif)] if exif else []
    body = b"".join(kept)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each complete chunk between two positions."""
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            return
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)


def _frame(body: bytes) -> bytes:
    inner = (_chunk(kind, part) for kind, part in _chunks(body, _FRAME_HEADER, len(body)) if kind in _PIXELS)
    return body[:_FRAME_HEADER] + b"".join(inner)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)
