"""Orientation, the one thing of a photo's EXIF that is kept, as the smallest EXIF block that says it."""

from __future__ import annotations

import struct

from ingestion.photo import orientation

_ONE_TAG = struct.Struct(">2sHIHHHIHHI")  # TIFF header, one entry: tag 0x0112, SHORT, 1 value; no further directory


def exif_of_turn(data: bytes) -> bytes:
    """A TIFF block with the photo's orientation, empty for an upright photo."""
    turn = orientation(data)
    return b"" if turn == 1 else _ONE_TAG.pack(b"MM", 42, 8, 1, 0x0112, 3, 1, turn, 0, 0)
