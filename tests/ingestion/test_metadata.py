"""Stripping removes personal metadata and keeps the visible photo."""

import io
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from ingestion.icc_profile import bare_profile
from ingestion.metadata import has_metadata, strip
from ingestion.photo import decode
from ingestion.photo import orientation as turn_of
from tests.photos import encode, orientation, picture, png_chunk, srgb_profile
from tests.torture.photos import try_photos

FORMATS = ("JPEG", "PNG", "WEBP")
SECRETS = (b"Ada Lovelace", b"EOS 5D", b"serial 4711", b"2026:11:22", b"GPS", b"mother's garden")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>Ada Lovelace</dc:creator></x:xmpmeta>'


def exif(turn: int = 1) -> Image.Exif:
    """Metadata as written by a camera: maker, owner, time, place, and a thumbnail."""
    tags = orientation(turn)
    tags[0x010F], tags[0x013B], tags[0x0132] = "EOS 5D", "Ada Lovelace", "2026:11:22 18:00:00"
    tags.get_ifd(0x8769)[0x927C] = b"maker note: serial 4711"
    tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 27: b"GPS"})
    return tags


def rich(format: str, turn: int = 1, **more: Any) -> bytes:
    """A photo with all the metadata that its format can have."""
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Author", "Ada Lovelace")
        texts.add_text("Comment", "mother's garden", zip=True)
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        more |= {"pnginfo": texts}
    else:
        more |= {"xmp": XMP}
    if format == "JPEG":
        more |= {"comment": b"mother's garden"}
    data = encode(picture(), format, exif=exif(turn), icc_profile=srgb_profile(), **more)
    if format == "JPEG":  # IPTC, as Photoshop writes it, and a JFIF thumbnail
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x50\0\x0cAda Lovelace"
        data = data[:2] + b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc + data[2:]
    return data + b"a video, and Ada Lovelace in it"


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("format", FORMATS)
def test_metadata_goes_and_the_picture_stays(format: str, turn: int) -> None:
    before = rich(format, turn)
    assert has_metadata(before)
    after = strip(before)
    assert [s for s in SECRETS if s in after] == []
    assert np.array_equal(np.asarray(decode(after)), np.asarray(decode(before)))
    kept = Image.open(io.BytesIO(after))
    assert dict(kept.getexif()) == ({} if turn == 1 else {0x0112: turn})
    assert not {"xmp", "XML:com.adobe.xmp", "comment", "Author", "photoshop"} & set(kept.info)
    assert not has_metadata(after)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_every_orientation_is_kept(format: str, turn: int) -> None:
    stripped = strip(rich(format, turn))
    assert turn_of(stripped) == turn
    assert not has_metadata(stripped)


def test_an_orientation_that_only_xmp_knows_is_kept() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    assert turn_of(strip(encode(picture(), "JPEG", xmp=xmp))) == 8


@pytest.mark.parametrize("format", FORMATS)
def test_a_bare_photo_is_not_touched(format: str) -> None:
    bare = encode(picture(), format)
    assert strip(bare) == bare


def test_the_thumbnail_inside_a_jfif_header_goes() -> None:
    plain = encode(picture())
    assert plain[6:11] == b"JFIF\0"
    thumbnail = b"\x02\x01" + b"secret"  # 2 x 1 pixels of 3 bytes
    header = b"\xff\xe0" + (16 + 6).to_bytes(2, "big") + plain[6:18] + thumbnail
    assert strip(plain[:2] + header + plain[20:]) == plain


@pytest.mark.parametrize(
    ("format", "options"),
    [("MPO", {}), ("PNG", {"default_image": False}), ("PNG", {"default_image": True}), ("WEBP", {"lossless": True})],
)
def test_further_pictures_in_the_file_go(format: str, options: dict[str, Any]) -> None:
    first, second = picture(1), picture(2)
    data = encode(first, format, save_all=True, append_images=[second], **options)
    after = strip(data)
    assert getattr(Image.open(io.BytesIO(after)), "n_frames", 1) == 1
    assert np.array_equal(np.asarray(decode(after)), np.asarray(decode(data)))
    assert len(after) < len(data) * 0.7


@pytest.mark.parametrize("format", FORMATS)
def test_colours_are_those_of_the_profile_whose_owner_is_forgotten(format: str) -> None:
    # like a calibrated screen's profile: primaries that differ from sRGB's, and a name
    named = bytearray(wide_gamut())
    data = encode(picture(), format, icc_profile=bytes(named))
    assert b"Ada" in named
    kept = Image.open(io.BytesIO(strip(data))).info["icc_profile"]
    assert b"Ada" not in kept and "Ada".encode("utf-16-be") not in kept
    assert kept[24:36] == bytes(12), "the creation date is removed"
    shown = [as_srgb(picture(), profile) for profile in (bytes(named), kept, srgb_profile())]
    assert np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2]), "otherwise the loss of the profile would go unnoticed"


def wide_gamut() -> bytes:
    """The sRGB profile with red and green swapped, a date, and the owner's name."""
    profile = bytearray(srgb_profile())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    profile[24:36] = b"\x07\xea\0\x0b\0\x16\0\0\0\0\0\0"
    at = profile.index("sRGB".encode("utf-16-be"))
    profile[at : at + 8] = "Ada!".encode("utf-16-be")
    profile[48:52] = b"Ada!"
    return bytes(profile)


def as_srgb(image: Image.Image, profile: bytes) -> Any:
    shown = ImageCms.profileToProfile(image, io.BytesIO(profile), io.BytesIO(srgb_profile()))
    assert shown is not None
    return np.asarray(shown)


def test_a_large_profile_comes_in_parts_and_leaves_in_parts() -> None:
    profile = bytearray(srgb_profile())
    curve = b"curv\0\0\0\0" + (70_000).to_bytes(4, "big") + bytes(140_000)
    at = profile.index(b"rTRC")
    profile[at + 4 : at + 12] = len(profile).to_bytes(4, "big") + len(curve).to_bytes(4, "big")
    data = encode(picture(), icc_profile=bytes(profile + curve))
    kept = Image.open(io.BytesIO(strip(data))).info["icc_profile"]
    assert kept == bare_profile(bytes(profile + curve))
    assert len(kept) > 140_000


@pytest.mark.parametrize("profile", [b"", b"no profile", srgb_profile()[:200], srgb_profile()[:128] + b"\xff" * 40])
def test_a_damaged_profile_is_dropped(profile: bytes) -> None:
    assert bare_profile(profile) == b""


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"RIFF\x12\0\0\0WEBPVP8X\0\0\0\0", b"GIF89a"],
)
def test_what_is_no_photo_comes_back_without_a_word(data: bytes) -> None:
    assert len(strip(data)) <= max(len(data), 20)


def test_a_text_with_a_damaged_checksum_does_not_cost_the_photo() -> None:
    png = encode(picture(), "PNG")
    text = bytearray(png_chunk(b"tEXt", b"Author\0Ada"))
    text[-1] ^= 1
    assert strip(png[:33] + bytes(text) + png[33:]) == png


NOTE = b"Ada Lovelace"


def jpeg_with(marker: int, before: bytes) -> bytes:
    """A JPEG with a note in a segment before the last marker of a kind, possibly between two scans."""
    data = encode(picture(), progressive=True)
    at = data.rindex(before)
    return data[:at] + b"\xff%c%b%b" % (marker, (len(NOTE) + 2).to_bytes(2, "big"), NOTE) + data[at:]


def png_with(kind: bytes, before: bytes, note: bytes = NOTE) -> bytes:
    data = encode(picture(), "PNG")
    at = data.index(before) - 4
    return data[:at] + png_chunk(kind, note) + data[at:]


def webp_with(kind: bytes) -> bytes:
    """An animation with a note appended to a chunk that only contains numbers."""
    data = encode(picture(), "WEBP", save_all=True, append_images=[picture(1)])
    at = data.index(kind) + 4
    size = int.from_bytes(data[at : at + 4], "little")
    body = data[at + 4 : at + 4 + size] + NOTE
    data = data[:at] + len(body).to_bytes(4, "little") + body + data[at + 4 + size :]
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


@pytest.mark.parametrize(
    "photo",
    [
        *(jpeg_with(marker, before) for marker in (0xFE, 0xE1, 0xEC, 0xEF) for before in (b"\xff\xdb", b"\xff\xc4")),
        *(jpeg_with(marker, b"\xff\xdb") for marker in (0xDC, 0xDD)),  # contain numbers only, and are longer than these
        *(png_with(kind, before) for kind in (b"tEXt", b"gAMA", b"sBIT", b"priV") for before in (b"IDAT", b"IEND")),
        *(png_with(kind, b"IDAT", NOTE.ljust(1000)) for kind in (b"PLTE", b"tRNS")),  # longer than their numbers can be
        webp_with(b"VP8X"),
        webp_with(b"ANIM"),
        encode(picture(), "MPO", save_all=True, append_images=[picture(1)], comment=NOTE),
    ],
)
def test_a_note_goes_wherever_it_stands(photo: bytes) -> None:
    assert NOTE in photo
    stored = strip(photo)
    assert NOTE not in stored
    assert decode(stored).size == picture().size
    assert not has_metadata(stored)


@settings(max_examples=300, deadline=None, database=None)
@given(st.sampled_from((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\0WEBP", b"")), st.binary())
def test_stripping_never_raises(magic: bytes, rest: bytes) -> None:
    assert isinstance(strip(magic + rest), bytes)


@pytest.mark.parametrize("length", range(7, 17))
@pytest.mark.parametrize("colours", ["YCbCr", "RGB"])
def test_a_jfif_header_that_is_cut_short_says_nothing_of_the_colours(colours: str, length: int) -> None:
    plain = encode(Image.new("RGB", (48, 40), (200, 30, 40)), keep_rgb=colours == "RGB")
    header = b"JFIF\0\1\1\0\0\1\0\1\0\0"[: length - 2]
    data = plain[:2] + b"\xff\xe0" + length.to_bytes(2, "big") + header + plain[2:]
    once = strip(data)
    assert not has_metadata(once)
    assert decode(once).tobytes() == decode(data if length == 16 else plain).tobytes()


def test_mutated_photos_are_taken_or_refused_and_never_changed() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # a process with its own peak of memory
        tried = alone.submit(try_photos, 1_500, seed=1).result()
    assert tried.taken > 150
    assert tried.refused.total() > 700
