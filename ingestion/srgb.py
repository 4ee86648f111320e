"""Convert pixels of any mode and colour space to 8-bit sRGB, the space the network was trained in.

An ICC profile tells that a photo is not in sRGB, but in Display P3 (iPhones), Adobe RGB or a press's CMYK. Read as
sRGB, its colours, and so its features, would be wrong; it is converted before it is resized. Photos without a profile
are assumed to be sRGB; they, and photos with an sRGB profile, keep their exact pixels.
"""

import io
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from ingestion.icc_profile import bare_profile

_WHITE: Final = (255, 255, 255)
_EIGHT_BIT: Final = {"RGB", "L", "1", "CMYK", "YCbCr"}
_TRANSPARENT: Final = {"RGBA", "LA", "PA", "P", "RGBa", "La"}
_DEEP: Final = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_GREY: Final = {"L", "1", "LA", "La", *_DEEP}

_SPACES: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # a profile's colour space → Pillow's mode
_SAME: Final = 3  # of 255; profiles called sRGB differ from each other by up to this much
_LATTICE: Final = np.stack(np.meshgrid(*[np.arange(0, 256, 17, dtype=np.uint8)] * 3), -1).reshape(64, 64, 3)


class UnsupportedMode(Exception):
    """Pillow can decode the photo but not convert its mode to RGB."""


class _ToSrgb(NamedTuple):
    mode: str  # of its input pixels
    transform: ImageCms.ImageCmsTransform


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a decoded image to 8-bit sRGB on white. May modify the image. Raises UnsupportedMode."""
    profile = image.info.get("icc_profile")
    found = _to_srgb(profile) if isinstance(profile, bytes) else None
    if found and found.mode == image.mode == "CMYK":
        return _apply(image, found)
    rgb = _to_rgb(image)
    if found is None or image.mode == "CMYK" or found.mode == "CMYK":
        return rgb
    if found.mode == "L":
        return _apply(rgb.getchannel("R"), found) if image.mode in _GREY else rgb
    return _apply(rgb, found)


def _apply(image: Image.Image, found: _ToSrgb) -> Image.Image:
    in_place = found.mode == "RGB"  # saves a copy of a large photo
    converted = ImageCms.applyTransform(image, found.transform, inPlace=in_place)
    return image if converted is None else converted


@lru_cache(maxsize=8)  # photos of one camera share their profile
def _to_srgb(profile: bytes) -> _ToSrgb | None:
    """Build the transform from the profile to sRGB; None if it would change nothing or the profile is unusable."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(bare_profile(profile)))  # the profile of the stored photo
        mode = _SPACES[opened.profile.xcolor_space]
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
        return None if mode != "CMYK" and _changes_nothing(mode, transform) else _ToSrgb(mode, transform)
    except Exception:  # noqa: BLE001  # on hostile bytes, a parser may raise nearly anything; the pixels are intact
        return None


def _changes_nothing(mode: str, transform: ImageCms.ImageCmsTransform) -> bool:
    before = Image.fromarray(_LATTICE if mode == "RGB" else _LATTICE[..., 0])
    after = ImageCms.applyTransform(before, transform)
    difference = np.asarray(after, dtype=int) - np.asarray(before.convert("RGB"))
    return bool(np.abs(difference).max() <= _SAME)


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
    raise UnsupportedMode(f"Pillow mode {image.mode}")
