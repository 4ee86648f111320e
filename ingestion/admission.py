"""Turn a source file into the photo that bronze stores: a complete JPEG, PNG or WebP without personal metadata.

    JPEG, PNG, WebP ─────── metadata.strip ─▶ check ──▶ the same pixels, byte for byte
    HEIC, AVIF, JPEG 2000 ─ decode ─────────────────▶ JPEG, quality 95, no chroma subsampling
    GIF, BMP, TIFF ──────── decode ─────────────────▶ PNG, because these formats are usually lossless

The formats in the last two rows hold metadata in many places, and few readers of a lake support them. They are decoded
(upright, sRGB, first frame) and re-encoded from the pixels alone, which drops EXIF, GPS, thumbnails and depth maps. The
result depends on the encoder: with another version of Pillow, the same file may get another image_id if read again.
"""

import hashlib
import io

from ingestion import jpeg
from ingestion.formats import LOSSLESS, STORED, format_of
from ingestion.metadata import strip
from ingestion.photo import MAX_BYTES, Rejected, Size, check, read


def admit(file: bytes) -> tuple[bytes, Size]:
    """Convert a file to the bytes to store; returns them and the size in pixels. Raises Rejected."""
    format = format_of(file)
    if format is None or format in STORED:
        content = strip(file)  # before the check, so that the check sees the bytes that are stored
        return _ended(content, format), check(content)
    photo = read(file)
    photo.pixels.info.clear()  # Pillow would write comments and profiles from here
    buffer = io.BytesIO()
    if format in LOSSLESS:
        photo.pixels.save(buffer, "PNG", exif=b"", compress_level=1)  # four times as fast as level 6, hardly larger
    else:
        photo.pixels.save(buffer, "JPEG", exif=b"", quality=95, subsampling=0)
    content = buffer.getvalue()
    if len(content) > MAX_BYTES:
        raise Rejected("too large", f"a {format} that takes {len(content):,} bytes to store, at most {MAX_BYTES:,}")
    return content, photo.size


def image_id_of(content: bytes) -> str:
    """The image_id of a stored photo: the SHA-256 of its bytes, as hex."""
    return hashlib.sha256(content).hexdigest()


def identify(file: bytes) -> str | None:
    """The image_id that the file would get in a lake, even if it is damaged; None if it cannot be converted."""
    format = format_of(file)
    if format in STORED:
        return image_id_of(_ended(strip(file), format))
    try:
        return image_id_of(admit(file)[0])
    except Rejected:
        return None


def _ended(content: bytes, format: str | None) -> bytes:
    return content if format != "JPEG" or content.endswith(jpeg.EOI) else content + jpeg.EOI
