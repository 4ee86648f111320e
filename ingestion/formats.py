"""Detect a file's format from its first bytes, regardless of its name, and open it.

JPEG, PNG and WebP are stored as they are; HEIC, AVIF, JPEG 2000, GIF, BMP and TIFF are converted to JPEG or PNG (see
admission.py). Some other image formats are recognized, so that the error can name them.
"""

import io
from functools import cache
from typing import Final, Literal

from PIL import Image, UnidentifiedImageError

from ingestion import jpeg

STORED: Final = ("JPEG", "PNG", "WebP")
ACCEPTED: Final = (*STORED, "HEIC", "AVIF", "JPEG 2000", "GIF", "BMP", "TIFF")
LOSSLESS: Final = ("GIF", "BMP", "TIFF")  # converted to PNG

_PILLOW: Final = {"WebP": "WEBP", "HEIC": "HEIF", "JPEG 2000": "JPEG2000"}  # names that differ in Pillow
_MAGIC: Final = (  # bytes, their offset, name of the format
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"\x89PNG", 0, "PNG"),
    ((b"GIF87a", b"GIF89a"), 0, "GIF"),
    ((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xffO\xffQ"), 0, "JPEG 2000"),
    ((b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\n"), 0, "JPEG XL"),
    (b"II\xbc", 0, "JPEG XR"),
    ((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0"), 0, "camera raw"),
    (b"HEAPCCDR", 6, "camera raw"),
    (b"II*\0\x10\0\0\0CR", 0, "camera raw"),  # Canon's variant of TIFF
    ((b"II*\0", b"II+\0", b"MM\0*", b"MM\0+"), 0, "TIFF"),
    (b"8BPS", 0, "Photoshop document"),
)
_BRANDS: Final = {  # brands of ISO base media files, in the `ftyp` box
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIC"),
    b"crx ": "camera raw",
    b"jxl ": "JPEG XL",
}
_BMP_HEADERS: Final = (12, 40, 52, 56, 64, 108, 124)  # bytes; text may begin with "BM", too
_OTHERS: Final = (  # not images, but often found under an image's name
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file itself with `git lfs pull`"),
    ((b"<!doctype html", b"<html"), "an HTML page"),
    (b"%pdf", "a PDF"),
    (b"pk\3\4", "a ZIP archive"),
)

Reason = Literal[
    "empty",
    "not an image",
    "unsupported format",
    "truncated",
    "unsupported mode",
    "too small",
    "too large",
    "unreadable source",
    "label missing",
]


class Rejected(Exception):
    """The photo cannot be used. reason: one of the fixed reasons; detail: what was found."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def open_photo(data: bytes) -> tuple[Image.Image, str]:
    """Open a photo without decoding its pixels. Returns its format, too, one of ACCEPTED. Raises Rejected."""
    name = format_of(data)
    if name is None:
        raise Rejected("not an image", f"{_guess(data)}; accepted: {', '.join(ACCEPTED)}")
    if name not in ACCEPTED:
        raise Rejected("unsupported format", f"{name}; accepted: {', '.join(ACCEPTED)}")
    if name == "HEIC":
        _register_heic()
    try:
        image = Image.open(io.BytesIO(data), formats=[_PILLOW.get(name, name)])
        preview = name == "TIFF" and _is_preview(image)
    except Exception as error:  # with hostile bytes a parser may raise nearly anything
        header = jpeg.header(data) if name == "JPEG" else None
        if header and header.bits > 8:
            said = f"a JPEG of {header.bits} bits per sample; 8 are read: export it as an ordinary JPEG"
            raise Rejected("unsupported mode", said) from error
        if isinstance(error, UnidentifiedImageError):
            raise Rejected("truncated", f"{name}: header cut short or damaged") from error
        raise Rejected("truncated", f"{name} header: {error}") from error
    if preview:
        raise Rejected("unsupported format", f"camera raw (a TIFF of a preview); accepted: {', '.join(ACCEPTED)}")
    return image, name


def format_of(data: bytes) -> str | None:
    """Detect the format from the file's first bytes, even if it was cut short; None if it is not an image."""
    if data[4:8] == b"ftyp":
        return _brand(data)
    begins = {
        "BMP": data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS,
        "WebP": data[:4] == b"RIFF" and b"WEBP".startswith(data[8:12]),
        "JPEG": data[:1] == b"\xff" and b"\xff\xd8\xff".startswith(data[:3]),
        "PNG": data[:1] == b"\x89" and b"\x89PNG".startswith(data[:4]),
    }
    whole = (name for magic, at, name in _MAGIC if data.startswith(magic, at))
    return next(whole, None) or next((name for name, does in begins.items() if does), None)


def _brand(data: bytes) -> str | None:
    """Format of an ISO base media file by its brands, major brand first; a generic HEIF brand yields to AVIF."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)] or data[8:12]
    brands = [box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))]
    names = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return "AVIF" if "AVIF" in names and brands[0] in (b"mif1", b"msf1") else names[0] if names else None


def _is_preview(tiff: Image.Image) -> bool:
    """Whether a TIFF is a camera raw: its first image is a preview (NewSubfileType), or it is a DNG (DNGVersion)."""
    tags = getattr(tiff, "tag_v2", {})
    return 50706 in tags or bool(tags.get(254, 0) & 1)


def _guess(data: bytes) -> str:
    """Guess what a file is that is not an image, for the error message."""
    head = data[:512].lstrip().lower()
    for beginning, what in _OTHERS:
        if head.startswith(beginning):
            return what
    if data[4:8] == b"ftyp":
        return "a video"
    if b"<svg" in head:
        return "an SVG"
    return "text" if data[:512].isascii() else "unknown bytes"


@cache
def _register_heic() -> None:
    """Let Pillow read HEIC, without thumbnails and other extra images. Called once per process, and only if needed."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
