"""Formats that are converted before they are stored, large photos, and JPEGs without an end marker."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ingestion.admission import admit, identify, image_id_of
from ingestion.metadata import has_metadata
from ingestion.photo import Rejected, check, decode
from tests.photos import display_p3, encode, in_display_p3, orientation, photo, picture, sample_photo

pillow_heif.register_heif_opener()  # the tests need its encoder; the code under test registers the decoder itself

FRUIT = sample_photo("Apple Braeburn", 1, 160).crop((0, 20, 160, 120))
FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "HEIC": ("HEIF", {"quality": 95}),
    "AVIF": ("AVIF", {"quality": 95}),
    "JPEG 2000": ("JPEG2000", {"comment": "mother's garden"}),
    "JPEG 2000 codestream": ("JPEG2000", {"no_jp2": True}),
    "GIF": ("GIF", {"comment": b"mother's garden"}),
    "GIF of two frames": ("GIF", {"save_all": True, "append_images": [picture(1, FRUIT.size)]}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {"description": "mother's garden", "artist": "Ada Lovelace"}),
    "TIFF of two pages": ("TIFF", {"save_all": True, "append_images": [picture(1, FRUIT.size)]}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_read_and_stored_as_jpeg_or_png(name: str) -> None:
    format, options = FOREIGN[name]
    content, facts = admit(encode(FRUIT, format, **options))
    stored = Image.open(io.BytesIO(content))
    lossless = format in ("GIF", "BMP", "TIFF")
    assert (stored.format, stored.size, facts) == ("PNG" if lossless else "JPEG", FRUIT.size, FRUIT.size)
    assert np.abs(np.asarray(decode(content), dtype=int) - np.asarray(FRUIT)).mean() < 3  # a GIF has 256 colours
    assert not has_metadata(content)
    assert check(content) == facts
    assert identify(encode(FRUIT, format, **options)) == image_id_of(content)


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "TIFF"])
def test_they_come_upright_and_without_what_tells_of_people(format: str) -> None:
    tags = orientation(6)
    tags[0x010F], tags[0x013B] = "EOS 5D", "Ada Lovelace"
    tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    data = encode(FRUIT, format, exif=tags.tobytes() if format == "HEIF" else tags)
    assert b"Ada Lovelace" in data
    content, facts = admit(data)
    assert b"Ada" not in content and b"EOS" not in content
    assert not has_metadata(content)
    upright = np.asarray(FRUIT.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert facts == check(data) == upright.shape[1::-1]
    assert np.abs(np.asarray(decode(content)) - upright).mean() < 3


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "TIFF"])
def test_they_come_in_srgb(format: str) -> None:
    """An iPhone's HEIC is in Display P3."""
    options = {} if format == "TIFF" else {"quality": 95}
    red = FRUIT.crop((50, 30, 110, 90))
    content, _ = admit(encode(in_display_p3(red), format, icc_profile=display_p3(), **options))
    assert "icc_profile" not in Image.open(io.BytesIO(content)).info
    assert np.abs(np.asarray(decode(content), dtype=int) - np.asarray(red)).mean() < 3
    assert np.abs(np.asarray(in_display_p3(red), dtype=int) - np.asarray(red)).mean() > 5


def test_transparent_pixels_become_white() -> None:
    content, _ = admit(encode(Image.new("RGBA", (48, 40), (255, 0, 0, 0)), "TIFF"))
    assert np.asarray(decode(content)).min() == 255


def test_a_photo_that_is_stored_as_it_is_keeps_its_bytes() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        assert admit(photo(format=format)) == (photo(format=format), (48, 40))


def _twelve_bits() -> bytes:
    data = bytearray(photo())
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = 0xC1, 12
    return bytes(data)


def _raw() -> bytes:
    """The start of a DNG: a TIFF whose first image is a preview."""
    return encode(FRUIT, "TIFF", tiffinfo={254: 1})


REFUSED = {
    "12-bit JPEG": (_twelve_bits(), "unsupported mode", "a JPEG of 12 bits per sample"),
    "JPEG XL": (b"\xff\n\xfa\x1f" + bytes(60), "unsupported format", "JPEG XL"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "unsupported format", "JPEG XL"),
    "camera raw": (_raw(), "unsupported format", "camera raw"),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(60), "unsupported format", "camera raw"),
    "Photoshop": (b"8BPS\0\1" + bytes(60), "unsupported format", "Photoshop document"),
    "video": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(60), "not an image", "a video"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "not an image", "git lfs pull"),
    "error page": (b"<!DOCTYPE html><html>403</html>", "not an image", "an HTML page"),
    "text": (b"BM stands for bitmap, or so I have read somewhere", "not an image", "text"),
    "cut HEIC": (encode(FRUIT, "HEIF", quality=90)[:2000], "truncated", "HEIC"),
    "cut AVIF": (encode(FRUIT, "AVIF")[:2000], "truncated", "AVIF"),
    "cut GIF": (encode(FRUIT, "GIF")[:2000], "truncated", "GIF"),
    "cut BMP": (encode(FRUIT, "BMP")[:2000], "truncated", "BMP"),
    "cut TIFF": (encode(FRUIT, "TIFF")[:2000], "truncated", "TIFF"),
    "cut JPEG 2000": (encode(FRUIT, "JPEG2000")[:2000], "truncated", "JPEG 2000"),
    "a small HEIC": (encode(picture(size=(31, 48)), "HEIF"), "too small", "31x48 px"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_named_as_what_it_is(name: str) -> None:
    data, reason, detail = REFUSED[name]
    with pytest.raises(Rejected) as rejection:
        admit(data)
    assert (rejection.value.reason, detail in rejection.value.detail) == (reason, True), rejection.value


SEQUENTIAL: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "own codes": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
}


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_whole_jpeg_without_its_end_marker_is_taken(name: str) -> None:
    for image in (FRUIT, picture(size=(200, 150)), Image.new("L", (48, 40), 200)):
        data = encode(image, **SEQUENTIAL[name] if image.mode == "RGB" else {})
        for lost in (1, 2):
            content, facts = admit(data[:-lost])
            assert facts == image.size
            assert content.endswith(b"\xff\xd9"), "other readers require the end marker"
            assert np.array_equal(np.asarray(decode(content)), np.asarray(decode(data)))
            assert not has_metadata(content)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_jpeg_that_lacks_pixels_is_truncated(name: str) -> None:
    data = encode(picture(size=(200, 150)), **SEQUENTIAL[name])
    whole = np.asarray(decode(data))
    for lost in (*range(3, 40), 100, 1000):
        try:
            assert np.array_equal(np.asarray(decode(data[:-lost])), whole), f"{lost} bytes lost"
        except Rejected as rejection:
            assert rejection.reason == "truncated"
            assert lost > 2
        else:
            assert lost < 5, "this many lost bytes must include pixels"


LARGE = (8200, 6400)  # 52.5 megapixels, more than MAX_PIXELS


def large_jpeg(**options: Any) -> bytes:
    small = sample_photo("Apple Braeburn", 1, 400).resize((820, 640))
    return encode(small.resize(LARGE, Image.Resampling.BILINEAR), quality=75, **options)


def test_a_larger_jpeg_is_scaled_while_it_is_decoded() -> None:
    data = large_jpeg(exif=orientation(6))
    image = decode(data)
    assert image.size == (LARGE[1] // 2, LARGE[0] // 2)
    assert check(data) == LARGE[::-1], "the size before scaling"
    assert admit(data)[1] == LARGE[::-1]
    with pytest.raises(Rejected, match="truncated"):
        check(data[: len(data) * 9 // 10])
    small = sample_photo("Apple Braeburn", 1, 400).resize((820, 640)).transpose(Image.Transpose.ROTATE_270)
    shown = np.asarray(image.resize(small.size), dtype=int)
    assert np.abs(shown - np.asarray(small)).mean() < 2


def test_a_large_photo_that_cannot_be_scaled_says_why() -> None:
    with pytest.raises(Rejected, match="too large: 8200x6400 px, at most 52,000,000 px as progressive JPEG, 200,000,0"):
        check(large_jpeg(progressive=True))
    with pytest.raises(Rejected, match="at most 52,000,000 px as GIF, 200,000,000 px as JPEG"):
        check(encode(Image.new("L", LARGE), "GIF"))
    with pytest.raises(Rejected, match="too large: 15000x15000 px, at most 200,000,000 px"):
        header = bytearray(photo())
        frame = header.index(b"\xff\xc0")
        header[frame + 5 : frame + 9] = (15_000).to_bytes(2, "big") * 2
        check(bytes(header))


def test_the_largest_jpeg_fits_in_a_worker(tmp_path: Path) -> None:
    """A JPEG of 200 megapixels in one colour, assembled by hand; memory is measured in a separate process."""
    block = encode(Image.new("L", (16_320, 8), 90))
    (tmp_path / "1.jpg").write_bytes(_repeated(block, 1530))
    program = (
        "import resource, sys; from ingestion.admission import admit; from ingestion.photo import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "content, facts = admit(open(sys.argv[1], 'rb').read()); assert facts == (16320, 12240), facts\n"
        "assert decode(content).size == (4080, 3060)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "1.jpg")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150  # MB; all pixels at once would take 800


def _repeated(strip: bytes, times: int) -> bytes:
    """A grey JPEG that repeats one row of blocks this many times, with a restart marker after each."""
    frame, scan = strip.index(b"\xff\xc0"), strip.index(b"\xff\xda")
    height = int.from_bytes(strip[frame + 5 : frame + 7], "big") * times
    blocks = int.from_bytes(strip[frame + 7 : frame + 9], "big") // 8
    restarts = b"\xff\xdd\0\4" + blocks.to_bytes(2, "big")
    codes = scan + 2 + int.from_bytes(strip[scan + 2 : scan + 4], "big")
    header = strip[: frame + 5] + height.to_bytes(2, "big") + strip[frame + 7 : scan] + restarts + strip[scan:codes]
    row = strip[codes:-2]
    return header + b"".join(row + bytes((0xFF, 0xD0 + number % 8)) for number in range(times - 1)) + row + b"\xff\xd9"
