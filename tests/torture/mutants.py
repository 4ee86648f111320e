"""Damage image files: flip bits, cut, splice, change lengths, repeat parts.

whole_files() ──seed──▶ mutant(random, files)     the same seed gives the same mutants
"""

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from PIL import ImageCms, PngImagePlugin

from tests.photos import encode, lossless_jpeg, orientation, picture, png_chunk, raw_png

Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]


def whole_files() -> list[bytes]:
    """Intact photos of every format and mode, most of them with all kinds of metadata."""
    small = picture()
    exif = orientation(6)
    exif[0x010F] = "maker of the camera"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="3"/></x:xmpmeta>'
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    jpegs = [
        encode(small, quality=95, comment=b"somebody's", xmp=xmp, **rich),
        encode(small, progressive=True, **rich),
        encode(small.convert("L")),
        encode(small.convert("CMYK"), **rich),
        encode(small, restart_marker_blocks=1, exif=exif),
        encode(small, "MPO", save_all=True, append_images=[picture(1)]),
        encode(small, xmp=xmp) + b"a video behind the photo",
        encode(small, subsampling=2, optimize=True),
        encode(small, keep_rgb=True),
        lossless_jpeg((48, 40), (200, 30, 40)),
    ]
    pngs = [
        encode(small, "PNG", pnginfo=texts, **rich),
        encode(small.convert("P"), "PNG", transparency=3, exif=exif),
        encode(small.convert("RGBA"), "PNG"),
        encode(small.convert("L").convert("I;16"), "PNG"),
        encode(small.convert("1"), "PNG", exif=orientation(8)),
        encode(small, "PNG", save_all=True, append_images=[picture(1)], default_image=True),
        encode(small, "PNG", save_all=True, append_images=[picture(1)]),
        raw_png((40, 40), 16, 2, bytes(240), png_chunk(b"tRNS", bytes(6))),
        raw_png((40, 40), 2, 0, bytes(10), png_chunk(b"tIME", bytes(7))) + b"trailing",
    ]
    webps = [
        encode(small, "WEBP", xmp=xmp, **rich),
        encode(small, "WEBP", lossless=True),
        encode(small.convert("RGBA"), "WEBP", exif=exif),
        encode(small, "WEBP", save_all=True, append_images=[picture(1)], **rich),
        encode(small, "WEBP") + b"trailing",
    ]
    return [*jpegs, *pngs, *webps]


def mutant(random: Random, files: Sequence[bytes]) -> bytes:
    """A random file with one to three random mutations."""
    data = random.choice(files)
    for _ in range(random.randint(1, 3)):
        data = random.choice(_MUTATIONS)(random, data, files)
    return data


def _flip_bits(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _bit in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
        changed[_place(random, data)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: random.randint(0, len(data))]


def _splice(random: Random, data: bytes, files: Sequence[bytes]) -> bytes:
    """Join the beginning of one file and the end of another."""
    other = random.choice(files)
    return other[: random.randint(0, min(len(other), 700))] + data[random.randint(0, len(data)) :]


def _change_length(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Overwrite two or four bytes, possibly a length, with another number in either byte order."""
    form = random.choice((">H", ">I", "<I"))
    number = random.choice((0, 1, 2, 7, 8, 255, 4096, 2**16 - 1, 2**31 - 1, 2**32 - 1))
    return _write(data, _place(random, data), struct.pack(form, number & (2 ** (8 * struct.calcsize(form)) - 1)))


def _repeat(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Insert a copy of a part of the file somewhere else."""
    start = _place(random, data)
    part = data[start : start + random.choice((1, 4, 12, 60, 600))]
    at = _place(random, data)
    return data[:at] + part + data[at:]


def _remove(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(random, data)
    return data[:at] + data[at + random.choice((1, 2, 4, 12, 100)) :]


def _put_marker(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Write a marker or a chunk's name where it does not belong."""
    word = random.choice(
        (*(b"\xff" + bytes([n]) for n in (0xD8, 0xD9, 0xDA, 0xE1, 0xC0, 0xD0, 0xFF, 0x01)), *_NAMES, b"\0\0\0\0")
    )
    return _write(data, _place(random, data), word)


def _put_chunk(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Insert a complete PNG chunk of a random kind."""
    at = _place(random, data)
    return data[:at] + png_chunk(random.choice(_NAMES), random.randbytes(random.choice((0, 1, 4, 13, 40)))) + data[at:]


_NAMES = (b"IHDR", b"IDAT", b"IEND", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"tRNS", b"VP8X", b"ANMF", b"EXIF")
_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _cut,
    _splice,
    _change_length,
    _repeat,
    _remove,
    _put_marker,
    _put_chunk,
)


def _place(random: Random, data: bytes) -> int:
    """A random position; half of the time within the first 200 bytes, which are likely a header."""
    return random.randrange(len(data) if random.random() < 0.5 else min(len(data), 200)) if data else 0


def _write(data: bytes, at: int, part: bytes) -> bytes:
    return data[:at] + part + data[at + len(part) :]
