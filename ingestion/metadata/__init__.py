"""Strip a photo of its metadata; the compressed pixels are kept byte for byte.

    bytes ──which format?──▶ jpeg.py | png.py | webp.py ──▶ bytes: pixels, orientation, colours, nothing else
                                        ../icc_profile.py: the ICC profile without its texts

Removed: EXIF (GPS, maker notes, thumbnail), XMP, IPTC, comments, texts, times, further images, and all data after the
end of the image. Kept, because the photo would look different without it: the orientation, as the only EXIF tag, and
the colour profile, without descriptions, device, date and serial number. Nothing is re-encoded.

Each format lists what is kept, so unknown data is removed, too. Stripping a stripped photo changes nothing: that is
how the audit finds one that was not stripped.
"""

from ingestion.metadata import jpeg, png, webp


def strip(data: bytes) -> bytes:
    """The photo without its metadata; it decodes to the same pixels, or fails to decode as before.

    Never raises. Data of other formats is returned unchanged, a damaged photo up to the damage. A WebP whose pixels
    continue after its declared end loses what a decoder would make of those bytes.
    """
    if data.startswith(jpeg.MAGIC):
        return jpeg.strip(data)
    if data.startswith(png.MAGIC):
        return png.strip(data)
    if webp.is_webp(data):
        return webp.strip(data)
    return data


def has_metadata(photo: bytes) -> bool:
    """Whether `strip` would remove anything. Reads headers, no pixels."""
    return strip(photo) != photo
