"""A JPEG's markers, and facts from its headers that Pillow does not expose."""

import re
from typing import Final, NamedTuple

EOI: Final = b"\xff\xd9"  # end of image
# Decoders read some bytes ahead. Appending a filling lets them finish a photo that lacks only its end marker. The
# fillings decode to different codes, so a photo that lacks pixels gives different results. A progressive JPEG without
# its end marker cannot be distinguished from a truncated one and is rejected.
FILLINGS: Final = (b"\xff\0" * 8, b"\0" * 8, b"\x55" * 8, b"\xaa" * 8)

SOS: Final = 0xDA  # start of scan
NO_LENGTH: Final = {0x01, *range(0xD0, 0xDA)}  # markers without a segment
next_marker = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL).search

_SEQUENTIAL: Final = {0xC0, 0xC1, 0xC9}  # frames that store rows in order
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class Header(NamedTuple):
    """Facts from a JPEG's frame and scan headers."""

    bits: int  # per sample; only 8 can be read
    in_one_scan: bool  # whether all rows are stored in order, in one scan: the decoder need not hold the whole photo


def header(data: bytes) -> Header | None:
    """Read the headers; None if they are cut short."""
    frame = components = bits = 0
    at = 2
    while marker := next_marker(data, at):
        kind, at = marker[1][0], marker.end()
        if kind in NO_LENGTH:
            continue
        if kind in _FRAMES and at + 8 <= len(data):
            frame, bits, components = kind, data[at + 2], data[at + 7]
        if kind == SOS and at + 3 <= len(data):
            return Header(bits, frame in _SEQUENTIAL and data[at + 2] == components)
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
    return None
