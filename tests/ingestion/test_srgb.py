"""A photo has the same colours whatever colour space it is stored in; untagged and sRGB photos keep their pixels."""

import io
import struct

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ingestion.metadata import has_metadata, strip
from ingestion.photo import check, decode
from tests.photos import display_p3, encode, in_display_p3, picture, sample_photo, srgb_profile

FORMATS = ("JPEG", "PNG", "WEBP")
FRUIT = sample_photo("Apple Braeburn", 1, 160).crop((50, 50, 110, 110))  # coloured everywhere, without white


def colours(data: bytes) -> npt.NDArray[np.int64]:
    return np.asarray(decode(data), dtype=int)


@pytest.mark.parametrize("format", FORMATS)
def test_a_wide_gamut_photo_has_the_colours_of_the_same_photo_in_srgb(format: str) -> None:
    options = {"quality": 95} if format != "PNG" else {}
    tagged = encode(in_display_p3(FRUIT), format, icc_profile=display_p3(), **options)
    untagged = encode(in_display_p3(FRUIT), format, **options)
    fruit = colours(encode(FRUIT, format, **options))
    assert np.abs(colours(tagged) - fruit).mean() < 2
    assert np.abs(colours(untagged) - fruit).mean() > 5, "without its profile the photo would look different"


@pytest.mark.parametrize("format", FORMATS)
def test_the_wide_gamut_survives_stripping(format: str) -> None:
    data = encode(in_display_p3(FRUIT), format, icc_profile=display_p3(), exif=Image.Exif())
    stored = strip(data)
    assert not has_metadata(stored)
    assert np.array_equal(colours(stored), colours(data))
    assert Image.open(io.BytesIO(stored)).info["icc_profile"]


def _gamma(of: float) -> bytes:
    """A profile with the primaries of sRGB and a plain gamma curve."""
    profile = bytearray(srgb_profile())
    row = profile.index(b"rTRC")
    at = int.from_bytes(profile[row + 4 : row + 8], "big")
    profile[at : at + 16] = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(of * 65536))
    return bytes(profile)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("profile", [None, srgb_profile(), b"", b"no profile", srgb_profile()[:300], b"\xff" * 200])
def test_untagged_srgb_and_unreadable_profiles_leave_every_pixel(format: str, profile: bytes | None) -> None:
    data = encode(picture(), format, icc_profile=profile)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(colours(data), expected)


def test_a_curve_of_its_own_counts() -> None:
    plain, dark = (colours(encode(FRUIT, "PNG", icc_profile=profile)) for profile in (srgb_profile(), _gamma(1.0)))
    assert np.abs(plain - dark).mean() > 10


def _grey_profile() -> bytes:
    """A grey profile with a linear curve: an RGB profile reduced to one curve, without primaries."""
    profile = bytearray(_gamma(1.0))
    profile[16:20] = b"GRAY"
    row = profile.index(b"rTRC")
    profile[row : row + 4] = b"kTRC"
    return bytes(profile)


def test_a_grey_photo_is_converted_by_its_grey_profile() -> None:
    greys = Image.fromarray(np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1)))
    shown = colours(encode(greys, "PNG", icc_profile=_grey_profile()))
    expected = (np.asarray(greys) / 255) ** (1 / 2.4) * 255 * 1.055 - 14  # sRGB's curve, except near black
    assert np.abs(shown[:, 4:, 0] - expected[:, 4:]).max() < 2
    assert (shown == shown[..., :1]).all()


def test_a_profile_of_another_space_than_the_pixels_is_ignored() -> None:
    data = encode(picture(), "PNG", icc_profile=_grey_profile())
    assert np.array_equal(colours(data), np.asarray(picture()))


def test_transparent_pixels_are_white_in_every_space() -> None:
    clear = Image.new("RGBA", (48, 40), (255, 0, 0, 0))
    assert colours(encode(clear, "PNG", icc_profile=display_p3())).min() >= 254


def test_a_turned_photo_in_a_wide_gamut_is_upright_and_converted() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encode(in_display_p3(FRUIT), "PNG", icc_profile=display_p3(), exif=turned)
    upright = np.asarray(FRUIT.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert check(data) == upright.shape[1::-1]
    assert np.abs(colours(data) - upright).mean() < 1
