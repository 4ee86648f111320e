"""Check whether a photo is usable, and decode it.

    bytes ──check──▶ width, height      or Rejected(reason, detail)
    bytes ──decode──▶ upright sRGB image

Formats are listed in formats.py; only the first frame is used. CMYK, 16-bit, palette, grey, alpha, other colour spaces
and EXIF rotation are converted, not rejected.

The size limits follow from memory: Pillow needs 4 bytes per pixel. Baseline JPEGs may be larger, because they are
scaled down while they are decoded. The decoder holds progressive JPEGs as a whole, and other formats cannot be scaled
while decoding.
"""

import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

from PIL import Image, ImageChops

from ingestion import jpeg
from ingestion.formats import Reason as Reason  # it and Rejected are part of this module's interface
from ingestion.formats import Rejected as Rejected
from ingestion.formats import open_photo
from ingestion.srgb import UnsupportedMode, to_srgb

MIN_SIDE: Final = 32  # px; smaller photos would be mostly interpolation at the network's input size
MAX_PIXELS: Final = 52_000_000  # px; fits 50-megapixel cameras (8192x6144) and takes 208 MB decoded
MAX_SCALED_PIXELS: Final = 200_000_000  # px; for baseline JPEGs, decoded at a half or a quarter of their sides
MAX_BYTES: Final = 64 * 1024 * 1024  # bytes; larger files are not read
_SCALED: Final = 16_000_000  # px; a JPEG above MAX_PIXELS is scaled down to about this size
_LARGE: Final = 16_000_000  # px; above, check in colour, so that bronze needs as much memory as silver will

_ORIENTATION: Final = 0x0112  # the EXIF tag
_TURNS: Final = {  # orientation → the operation that makes the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING: Final = 5  # orientations from here on swap width and height

Image.MAX_IMAGE_PIXELS = None  # our own limits apply instead, with clearer messages


Size = tuple[int, int]  # width and height in px, upright


class Photo(NamedTuple):
    """A decoded, upright photo. For a JPEG above MAX_PIXELS, pixels is smaller than size says."""

    pixels: Image.Image
    size: Size


def check(data: bytes) -> Size:
    """Check that every pixel can be decoded; returns the upright size. Raises Rejected, also if it is too small."""
    try:
        size = _read(data, _brightness).size
    except Rejected:  # lossless JPEGs cannot be decoded as brightness alone: try in colour before rejecting
        size = _read(data, _colours).size
    return _large_enough(size)


def decode(data: bytes) -> Image.Image:
    """Decode the photo into an upright 8-bit sRGB image. Raises Rejected."""
    return _read(data, _colours).pixels


def read(data: bytes) -> Photo:
    """Decode the photo as `decode` does, with its size. Raises Rejected, also if it is too small."""
    photo = _read(data, _colours)
    _large_enough(photo.size)
    return photo


def _large_enough(size: Size) -> Size:
    if min(size) < MIN_SIDE:
        raise Rejected("too small", f"{size[0]}x{size[1]} px, at least {MIN_SIDE} px a side")
    return size


def _read(data: bytes, load: Callable[[Image.Image], Image.Image]) -> Photo:
    """Open the photo, load its pixels with `load`, and turn it upright. Raises Rejected."""
    if not data:
        raise Rejected("empty", "0 bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd EXIF; real problems become reasons
        image, format = open_photo(data)
        met = f"{image.width}x{image.height} px"
        try:
            width, height = image.size
            _fit(image, data, format)
            loaded = load(image)
            turn = _orientation(image)  # only now: in a PNG it may follow the pixels
            size = (height, width) if turn >= _LYING else (width, height)
            return Photo(loaded.transpose(_TURNS[turn]) if turn in _TURNS else loaded, size)
        except Rejected:
            raise
        except UnsupportedMode as error:
            raise Rejected("unsupported mode", str(error)) from error
        except MemoryError as error:
            # not "too large", which is final: the next run tries again, maybe with more memory
            raise Rejected("unreadable source", f"{met} do not fit in this worker's memory") from error
        except Exception as error:  # on hostile bytes, a decoder may raise nearly anything
            if format == "JPEG" and not data.endswith((jpeg.EOI, *jpeg.FILLINGS)):
                return _read_without_end(data)
            raise Rejected("truncated", f"{format}: {error}") from error


def _read_without_end(data: bytes) -> Photo:
    """Read a JPEG that lacks only its end marker. Raises Rejected if pixels are missing, too."""
    first, *others = jpeg.FILLINGS
    data = data.removesuffix(b"\xff")  # half of the end marker
    photo = _read(data + first, _colours)
    for filling in others:
        if ImageChops.difference(photo.pixels, _read(data + filling, _colours).pixels).getbbox():
            raise Rejected("truncated", "JPEG: it ends before its last pixel")
    return photo


def _colours(image: Image.Image) -> Image.Image:
    image.load()
    return to_srgb(image)


def _brightness(image: Image.Image) -> Image.Image:
    """Decode only a JPEG's brightness, at an eighth of its sides. All data is read, so damage is found as in colour.

    Decodes in colour where that can fail for other reasons: fractional subsampling factors, or size (memory).
    """
    planes = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    fits = all(side and max(sides) % side == 0 for sides in zip(*planes, strict=True) for side in sides)
    if not planes or not fits or image.width * image.height > _LARGE:
        return _colours(image)
    image.draft("L", (1, 1))
    image.load()
    return image


def _fit(image: Image.Image, data: bytes, format: str) -> None:
    """Have the photo scaled down while it is decoded, if it would not fit in memory otherwise. Raises Rejected."""
    pixels = image.width * image.height
    if pixels <= MAX_PIXELS:
        return
    said = f"{image.width}x{image.height} px, at most {MAX_PIXELS:,} px"
    if format != "JPEG":
        raise Rejected("too large", f"{said} as {format}, {MAX_SCALED_PIXELS:,} px as JPEG")
    header = jpeg.header(data)
    if header is None or not header.in_one_scan:
        raise Rejected("too large", f"{said} as progressive JPEG, {MAX_SCALED_PIXELS:,} px as baseline JPEG")
    if pixels > MAX_SCALED_PIXELS:
        raise Rejected("too large", f"{image.width}x{image.height} px, at most {MAX_SCALED_PIXELS:,} px")
    scale = 2 if pixels <= 4 * _SCALED else 4
    image.draft(None, (image.width // scale, image.height // scale))


def orientation(data: bytes) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) if the photo has none or cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image, format = open_photo(data)
        except Rejected:
            return 1
        # in a PNG the tag may follow the pixels, which then have to be decoded
        if format != "JPEG" and image.width * image.height > MAX_PIXELS:
            return 1
        return _orientation(image)


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
        return turn if turn in _TURNS else 1
    except Exception:  # noqa: BLE001  # damaged metadata; the pixels are intact
        return 1
