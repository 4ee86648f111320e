"""Write the photo's orientation, the only EXIF tag that is kept, as a minimal EXIF block."""

import struct

from ingestion.photo import orientation

_ONE_TAG = struct.Struct(">2sHIHHHIHHI")  # TIFF header, one entry: tag 0x0112, SHORT, 1 value; no further directory


def exif_of_orientation(data: bytes) -> bytes:
    """A TIFF block with the photo's orientation; empty if the photo is upright."""
    tag = orientation(data)
    return b"" if tag == 1 else _ONE_TAG.pack(b"MM", 42, 8, 1, 0x0112, 3, 1, tag, 0, 0)
