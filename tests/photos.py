"""Photos for tests, as bytes: valid ones made by Pillow, unusual ones assembled by hand."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from ingestion.samples import sample_photos

_ORIENTATION = 0x0112  # the EXIF tag


def sample_photo(label: str, index: int, size: int) -> Image.Image:
    """Demo photo `index` of a label, 0 to 29, resized to `size` x `size` pixels."""
    with Image.open(sample_photos(label)[index]) as image:
        return image.resize((size, size), Image.Resampling.BICUBIC)


def picture(seed: int = 0, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """An RGB image of random pixels, different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """Encode the image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def srgb_profile() -> bytes:
    """The ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3() -> bytes:
    """The ICC profile of every iPhone: sRGB's curve, wider primaries (as XYZ, adapted to D50)."""
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    profile = bytearray(srgb_profile())
    for name, xyz in primaries.items():
        row = profile.index(name)
        at = int.from_bytes(profile[row + 4 : row + 8], "big")
        profile[at + 8 : at + 20] = struct.pack(">3i", *(round(value * 65536) for value in xyz))
    return bytes(profile)


def in_display_p3(image: Image.Image) -> Image.Image:
    """Convert the image to Display P3, which keeps its colours."""
    wide = ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), wide)
    assert converted is not None
    del converted.info["icc_profile"]  # otherwise, a PNG would be tagged with it
    return converted


def photo(seed: int = 0, format: str = "JPEG", size: tuple[int, int] = (48, 40)) -> bytes:
    """A photo that passes every check, different for each seed."""
    return encode(picture(seed, size), format)


def orientation(value: int) -> Image.Exif:
    """EXIF data with this orientation."""
    exif = Image.Exif()
    exif[_ORIENTATION] = value
    return exif


def raw_png(size: tuple[int, int], bits: int, colour_type: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of identical rows, with extra chunks before the pixels; needs little memory, even for large sizes."""
    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    packer = zlib.compressobj()
    pixels = b"".join(packer.compress(b"\0" + row) for _ in range(size[1])) + packer.flush()
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def lossless_jpeg(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    """A lossless JPEG (SOF3) in one colour, which Pillow can read, but not write.

    Every value is stored as the difference from its left neighbour: its length in bits, as a 4-bit code, then the bits.
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
    codes = b"\0" + bytes((0, 0, 0, 9, *[0] * 12)) + bytes(range(9))  # nine 4-bit codes, for lengths 0 to 8
    start = b"\3" + b"".join(bytes((i, 0)) for i in (1, 2, 3)) + b"\1\0\0"
    parts = ((0xC3, frame), (0xC4, codes), (0xDA, start))
    segments = [struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in parts]
    return b"\xff\xd8" + b"".join(segments) + scan + b"\xff\xd9"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
