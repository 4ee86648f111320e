"""Convert pixels of any mode and colour space to 8-bit sRGB, the space the network was trained in.

An ICC profile tells that a photo is not in sRGB, but in Display P3 (iPhones), Adobe RGB or a press's CMYK. Read as
sRGB, its colours, and so its features, would be wrong; it is converted before it is resized. Photos without a profile
are assumed to be sRGB; they, and photos with an sRGB profile, keep their exact pixels.
"""

import io
from functools import lru_cache
from typing import Final

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


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a decoded image to 8-bit sRGB on white. May modify the image. Raises UnsupportedMode."""
    profile = image.info.get("icc_profile")
    found = _to_srgb(profile) if isinstance(profile, bytes) else None
    if found and found.input_mode == image.mode == "CMYK":
        return found.apply(image)
    rgb = _to_rgb(image)
    if found is None or image.mode == "CMYK" or found.input_mode == "CMYK":
        return rgb
    if found.input_mode == "L":
        return found.apply(rgb.getchannel("R")) if image.mode in _GREY else rgb
    return found.apply_in_place(rgb)  # saves a copy of a large photo


@lru_cache(maxsize=8)  # photos of one camera share their profile
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Build the transform from the profile to sRGB; None if it would change nothing or the profile is unusable."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(bare_profile(profile)))  # the profile of the stored photo
        mode = _SPACES[opened.profile.xcolor_space]
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
        return None if mode != "CMYK" and _changes_nothing(transform) else transform
    except Exception:  # noqa: BLE001  # on hostile bytes, a parser may raise nearly anything; the pixels are intact
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    before = Image.fromarray(_LATTICE if transform.input_mode == "RGB" else _LATTICE[..., 0])
    difference = np.asarray(transform.apply(before), dtype=int) - np.asarray(before.convert("RGB"))
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
