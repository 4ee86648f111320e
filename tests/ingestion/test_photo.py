"""Which photos are usable, how unusual ones are converted, and why others are rejected."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from ingestion.photo import Rejected, check, decode
from tests.photos import encode, lossless_jpeg, orientation, photo, picture, png_chunk, raw_png

SIZE = (48, 40)
BLACK, GREY, WHITE, RED = (0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0)
FORMATS = ("JPEG", "PNG", "WEBP")


def reason(data: bytes) -> str | None:
    """Why the photo is rejected, None if it is not."""
    try:
        check(data)
    except Rejected as rejection:
        return rejection.reason
    return None


def test_pixels_are_those_of_the_photo() -> None:
    assert np.array_equal(np.asarray(decode(encode(picture(), "PNG"))), np.asarray(picture()))


SAMPLINGS = [across << 4 | down for across in range(1, 5) for down in (1, 2, 3)]


@pytest.mark.parametrize("chroma", SAMPLINGS)
def test_a_jpeg_is_accepted_if_its_colours_can_be_decoded(chroma: int) -> None:
    """The check only decodes brightness, which works even if colours are not subsampled by an integer factor."""
    data = bytearray(photo(format="JPEG"))
    components = data.index(b"\xff\xc0") + 10
    for luma in SAMPLINGS:
        data[components + 1], data[components + 4] = luma, chroma
        try:
            decode(bytes(data))
        except Rejected:
            assert reason(bytes(data)) == "truncated"
        else:
            assert check(bytes(data)) == SIZE


def test_a_lossless_jpeg_is_accepted_though_its_brightness_alone_cannot_be_had() -> None:
    data = lossless_jpeg(SIZE, (200, 30, 40))
    with pytest.raises(OSError):
        image = Image.open(io.BytesIO(data))
        image.draft("L", (1, 1))
        image.load()
    assert check(data) == decode(data).size == SIZE


def _filled(mode: str, colour: object, format: str = "PNG", **options: object) -> bytes:
    return encode(Image.new(mode, SIZE, colour), format, **options)  # type: ignore[arg-type]  # any mode, any colour


def _palette(**options: object) -> bytes:
    image = Image.new("P", SIZE, 0)
    image.putpalette([*RED, *BLACK])
    return encode(image, "PNG", **options)


def _deep(value: int) -> bytes:
    return struct.pack(">H", value * 257)  # 8 to 16 bits: 0 stays 0, 255 becomes 65535


TURNED = png_chunk(b"eXIf", orientation(3).tobytes()[6:])  # a PNG stores it without Exif\0\0
ODD_PHOTOS = {
    "grey JPEG": (_filled("L", 128, "JPEG"), GREY),
    "CMYK JPEG": (_filled("CMYK", (0, 255, 255, 0), "JPEG"), RED),
    "1-bit": (_filled("1", 1), WHITE),
    "palette": (_palette(), RED),
    "palette, opaque": (_palette(transparency=1), RED),
    "palette, transparent": (_palette(transparency=0), WHITE),
    "16-bit grey": (raw_png(SIZE, 16, 0, _deep(128) * SIZE[0]), GREY),
    "16-bit grey, opaque": (raw_png(SIZE, 16, 0, _deep(128) * SIZE[0], png_chunk(b"tRNS", _deep(1))), GREY),
    "16-bit grey, transparent": (raw_png(SIZE, 16, 0, _deep(128) * SIZE[0], png_chunk(b"tRNS", _deep(128))), WHITE),
    "16-bit grey, turned": (raw_png(SIZE, 16, 0, _deep(128) * SIZE[0], TURNED), GREY),
    "16-bit RGB": (raw_png(SIZE, 16, 2, (_deep(255) + _deep(0) + _deep(0)) * SIZE[0]), RED),
    "16-bit grey and alpha": (raw_png(SIZE, 16, 4, (_deep(0) + _deep(127)) * SIZE[0]), GREY),
    "grey and alpha, opaque": (_filled("LA", (128, 255)), GREY),
    "grey and alpha, half": (_filled("LA", (0, 127)), GREY),
    "RGBA, opaque": (_filled("RGBA", (*RED, 255)), RED),
    "RGBA, half": (_filled("RGBA", (*RED, 127)), (255, 128, 128)),
    "RGBA, transparent": (_filled("RGBA", (*RED, 0)), WHITE),
    "WebP, half": (_filled("RGBA", (*BLACK, 127), "WEBP", lossless=True), GREY),
    "RGB, transparent colour": (_filled("RGB", RED, transparency=RED), WHITE),
    "grey, transparent colour": (_filled("L", 128, transparency=128), WHITE),
}


@pytest.mark.parametrize("name", ODD_PHOTOS)
def test_an_odd_photo_becomes_rgb_on_white(name: str) -> None:
    data, colour = ODD_PHOTOS[name]
    image = decode(data)
    assert (image.mode, image.size) == ("RGB", SIZE)
    assert np.abs(np.asarray(image, dtype=int) - colour).max() <= 2  # JPEG may round


def test_16_bit_greys_are_scaled_not_clipped() -> None:
    greys = np.arange(48, dtype=np.uint16) * 5
    data = raw_png(SIZE, 16, 0, (greys * 257).astype(">u2").tobytes())
    assert np.array_equal(np.asarray(decode(data))[7, :, 0], greys)


# orientation: where the first stored pixel is displayed, and where the last pixel of its row (EXIF 2.3, 4.6.4)
CORNERS = {
    1: ("top left", "top right"),
    2: ("top right", "top left"),
    3: ("bottom right", "bottom left"),
    4: ("bottom left", "bottom right"),
    5: ("top left", "bottom left"),
    6: ("top right", "bottom right"),
    7: ("bottom right", "top right"),
    8: ("bottom left", "top left"),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("value", CORNERS)
def test_a_turned_photo_is_set_upright(value: int, format: str) -> None:
    stored = Image.new("RGB", SIZE, BLACK)
    stored.paste((255, 0, 0), (0, 0, 16, 16))
    stored.paste((0, 255, 0), (SIZE[0] - 16, 0, SIZE[0], 16))
    data = encode(stored, format, exif=orientation(value))
    image = decode(data)
    assert check(data) == image.size == (SIZE if value <= 4 else SIZE[::-1])
    pixels = np.asarray(image)
    corners = {
        "top left": pixels[4, 4],
        "top right": pixels[4, -4],
        "bottom left": pixels[-4, 4],
        "bottom right": pixels[-4, -4],
    }
    reddest = max(corners, key=lambda c: int(corners[c][0]) - int(corners[c][1]))
    greenest = max(corners, key=lambda c: int(corners[c][1]) - int(corners[c][0]))
    assert (reddest, greenest) == CORNERS[value]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("exif", [b"Exif\0\0no such thing", b"Exif\0\0MM\0*\0\0", orientation(9).tobytes()])
def test_damaged_metadata_does_not_reject_whole_pixels(exif: bytes, format: str) -> None:
    assert check(encode(picture(), format, exif=exif)) == SIZE


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="48" height="40"/>'
NOT_ACCEPTED = {
    "nothing": (b"", "empty", "0 bytes"),
    "text": (b"dear diary, today I ate a pear\n" * 9, "not an image", "text"),
    "SVG": (SVG, "not an image", "an SVG"),
    "random bytes": (random.Random(5).randbytes(999), "not an image", "unknown bytes"),
    "WAV": (b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 60, "not an image", "accepted: JPEG, PNG, WebP"),
    "a damaged header": (photo(format="PNG").replace(b"IHDR", b"IHDX"), "truncated", "header"),
    "31 px wide": (photo(size=(31, 48)), "too small", "31x48 px"),
    "31 px high": (photo(size=(48, 31)), "too small", "48x31 px"),
    "400 megapixels": (raw_png((20_000, 20_000), 1, 0, b""), "too large", "20000x20000 px"),
}


@pytest.mark.parametrize("name", NOT_ACCEPTED)
def test_what_is_not_a_usable_photo_is_rejected_with_its_reason(name: str) -> None:
    data, why, detail = NOT_ACCEPTED[name]
    with pytest.raises(Rejected) as rejection:
        check(data)
    assert rejection.value.reason == why
    assert detail in rejection.value.detail


def test_32_px_are_enough() -> None:
    assert check(photo(size=(32, 32))) == (32, 32)
