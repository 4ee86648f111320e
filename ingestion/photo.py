"""One photo: may it enter the lake, and what are its pixels?

    bytes ──check──▶ width, height      or Rejected(reason, detail)
    bytes ──decode──▶ upright RGB image

Formats: JPEG, PNG, WebP. Odd modes are not bad photos: CMYK, 16-bit, palette, grey, alpha and EXIF
rotation are converted. A photo is only rejected when nobody could use it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP")
MIN_SIDE: Final = 32  # px; below it the network sees nothing but interpolation
MAX_PIXELS: Final = 50_000_000  # px; decoded this is 150 MB, what one Python worker can afford
_LARGE: Final = 16_000_000  # px; from here on bronze needs as much memory as silver will
MAX_BYTES: Final = 64 * 1024 * 1024  # bytes; a larger file is not read at all

Reason = Literal[
    "empty",
    "not an image",
    "truncated",
    "unsupported mode",
    "too small",
    "too large",
    "unreadable source",
    "label missing",
]

_ORIENTATION: Final = 0x0112  # the EXIF tag
_TURNS: Final = {  # what makes a photo of each orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE: Final = (255, 255, 255)
_EIGHT_BIT: Final = {"RGB", "L", "1", "CMYK", "YCbCr"}
_TRANSPARENT: Final = {"RGBA", "LA", "PA", "P", "RGBa", "La"}
_DEEP: Final = {"I", "I;16", "I;16B", "I;16L", "I;16N"}

Image.MAX_IMAGE_PIXELS = None  # our own limit speaks first, and says which rule it is


class Rejected(Exception):
    """The photo cannot be used. reason is one of the fixed ones, detail says what was met."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Facts(NamedTuple):
    width: int  # px, upright
    height: int  # px, upright


def check(data: bytes) -> Facts:
    """The photo's upright size, after decoding every pixel. Raises Rejected, for a photo too small, too."""
    try:
        image = _read(data, _brightness)
    except Rejected:  # a lossless JPEG's brightness cannot be had alone, and who refuses a photo looks twice
        image = _read(data, _colours)
    if min(image.size) < MIN_SIDE:
        raise Rejected("too small", f"{image.width}x{image.height} px, at least {MIN_SIDE} px a side")
    return Facts(image.width, image.height)


def decode(data: bytes) -> Image.Image:
    """The photo as an upright 8-bit RGB image. Raises Rejected."""
    return _read(data, _colours)


def _read(data: bytes, make: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `make` makes of the opened photo. Raises Rejected."""
    if not data:
        raise Rejected("empty", "0 bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF; what matters becomes a reason
        image = _open(data)
        if image.width * image.height > MAX_PIXELS:
            raise Rejected("too large", f"{image.width}x{image.height} px, at most {MAX_PIXELS:,} px")
        try:
            return make(image)
        except Rejected:
            raise
        except MemoryError as error:
            # not "too large", which is settled: the next run may have more, and tries again
            said = f"{image.width}x{image.height} px do not fit in this worker's memory"
            raise Rejected("unreadable source", said) from error
        except Exception as error:  # a decoder fed with hostile bytes may raise nearly anything
            raise Rejected("truncated", f"{image.format}: {error}") from error


def _colours(image: Image.Image) -> Image.Image:
    image.load()
    return _to_rgb(_upright(image))


def _brightness(image: Image.Image) -> Image.Image:
    """A JPEG's brightness alone, in half the time: all of its data is read, so that damage shows as it would in colour.

    Not where colours can fail by themselves: their planes fit brightness by no whole number, or memory may end.
    """
    planes = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    fits = all(side and max(sides) % side == 0 for sides in zip(*planes, strict=True) for side in sides)
    if not planes or not fits or image.width * image.height > _LARGE:
        return _colours(image)
    image.draft("L", None)
    image.load()
    return _upright(image)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        name = _format_by_magic(data)
        if name:
            raise Rejected("truncated", f"{name}: header cut short or damaged") from error
        raise Rejected("not an image", f"{_guess(data)}; accepted: JPEG, PNG, WebP") from error
    except Exception as error:  # see decode
        raise Rejected("truncated", f"header: {error}") from error


def _format_by_magic(data: bytes) -> str | None:
    """The format that the first bytes promise, even if there are only some of them."""
    if data[:1] == b"\xff" and b"\xff\xd8\xff".startswith(data[:3]):
        return "JPEG"
    if data[:1] == b"\x89" and b"\x89PNG".startswith(data[:4]):
        return "PNG"
    if data[:4] == b"RIFF" and b"WEBP".startswith(data[8:12]):
        return "WebP"
    return None


def _guess(data: bytes) -> str:
    """What a person would call the file."""
    head = data[:512].lstrip().lower()
    if head.startswith((b"gif8", b"bm", b"ii*\0", b"mm\0*")):
        return {b"g": "a GIF", b"b": "a BMP", b"i": "a TIFF", b"m": "a TIFF"}[head[:1]]
    if b"<svg" in head:
        return "an SVG"
    return "text" if data[:512].isascii() else "unknown bytes"


def orientation(data: bytes) -> int:
    """How the camera was held, 1 to 8 as EXIF counts; 1 (upright) if the photo does not say, or cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _open(data)
        except Rejected:
            return 1
        if image.width * image.height > MAX_PIXELS:  # a PNG may have to be decoded for what stands behind its pixels
            return 1
        return _orientation(image)


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
        return turn if turn in _TURNS else 1
    except Exception:  # noqa: BLE001  # damaged metadata; the pixels are whole
        return 1


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _DEEP:  # Pillow's own conversion would clip 16 bits to white
        deep = np.asarray(image, dtype=np.uint32)
        grey = np.minimum(deep // 257, 255).astype(np.uint8)
        if "transparency" in image.info:
            grey[deep == image.info["transparency"]] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        rgba = image.convert("RGBA")
        flat = Image.new("RGB", rgba.size, _WHITE)
        flat.paste(rgba, mask=rgba.getchannel("A"))
        return flat
    if image.mode in _EIGHT_BIT:
        return image.convert("RGB")
    raise Rejected("unsupported mode", f"Pillow mode {image.mode}")
