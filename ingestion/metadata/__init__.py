"""A photo without what it tells of people: the pixels' own data stays byte for byte, the rest goes.

    bytes ──which format?──▶ jpeg.py | png.py | webp.py ──▶ bytes: pixels, orientation, colours, nothing else
                                        colours.py: the ICC profile without its texts

Gone: EXIF (GPS, maker notes, thumbnail), XMP, IPTC, comments, texts, times, further images, and whatever lies behind
the end of the image. Kept, since without it the photo would look different: orientation, as the only EXIF tag, and the
colour profile, without descriptions, device, date and serial. Nothing is encoded anew.

Each format names what is kept, so that what nobody has thought of is left out, too. A photo that was stripped is a
fixed point of `strip`: that is how the audit finds one that was not.
"""

from __future__ import annotations

from ingestion.metadata import jpeg, png, webp


def strip(data: bytes) -> bytes:
    """The photo without its metadata; it decodes to the same pixels, or cannot be decoded as before.

    Never raises. What is not a JPEG, PNG or WebP comes back as it is, a damaged one as far as it is whole: a WebP whose
    pixels run on behind its end loses what a decoder would make of the bytes there.
    """
    if data.startswith(jpeg.MAGIC):
        return jpeg.strip(data)
    if data.startswith(png.MAGIC):
        return png.strip(data)
    if webp.is_webp(data):
        return webp.strip(data)
    return data


def has_metadata(photo: bytes) -> bool:
    """Whether there is anything that `strip` would take away. Reads headers, no pixels."""
    return strip(photo) != photo
