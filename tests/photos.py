"""Photo bytes for tests: valid ones made by Pillow, odd ones put together by hand."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # the EXIF tag


def picture(seed: int = 0, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """An RGB picture of random pixels; another seed, another picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """The image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def photo(seed: int = 0, format: str = "JPEG", size: tuple[int, int] = (48, 40)) -> bytes:
    """A photo that passes every check; another seed, other bytes."""
    return encode(picture(seed, size), format)


def orientation(value: int) -> Image.Exif:
    """The EXIF data of a camera that was held that way."""
    exif = Image.Exif()
    exif[_ORIENTATION] = value
    return exif


def raw_png(size: tuple[int, int], bits: int, colour_type: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of equal rows, with more chunks before the pixels. Nothing is allocated for its size."""
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    packer = zlib.compressobj()
    pixels = b"".join(packer.compress(b"\0" + row) for _ in range(size[1])) + packer.flush()
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def lossless_jpeg(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    """A JPEG of the lossless kind (SOF3) in one colour; Pillow reads it and does not write it.

    Every value is stored as the difference to the one at its left: how many bits that has, in 4 bits, and they.
    """
    bits = ""
    for value in colour:  # the first pixel, different from 128
        length = abs(value - 128).bit_length()
        difference = value - 128 if value > 128 else value - 128 + (1 << length) - 1
        bits += f"{length:04b}" + (f"{difference:0{length}b}" if length else "")
    bits += "0000" * 3 * (size[0] * size[1] - 1)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, size[1], size[0], 3) + b"".join(bytes((i, 0x11, 0)) for i in (1, 2, 3))
    codes = b"\0" + bytes((0, 0, 0, 9, *[0] * 12)) + bytes(range(9))  # nine of 4 bits: 0 to 8 bits follow
    start = b"\3" + b"".join(bytes((i, 0)) for i in (1, 2, 3)) + b"\1\0\0"
    parts = ((0xC3, frame), (0xC4, codes), (0xDA, start))
    segments = [struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in parts]
    return b"\xff\xd8" + b"".join(segments) + scan + b"\xff\xd9"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
