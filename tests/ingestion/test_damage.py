"""Damaged photos are decoded or rejected, and nothing else; cut ones are truncated."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.photo import Reason, Rejected, Size, check, decode, read
from tests.photos import encode, orientation, photo, picture, raw_png

SIZE = (48, 40)


def size_or_reason(size_of: Callable[[bytes], Size], data: bytes) -> Size | str:
    try:
        return size_of(data)
    except Rejected as rejection:
        assert rejection.reason in get_args(Reason)
        return rejection.reason


WHOLE = {
    "JPEG": photo(size=(200, 150)),
    "progressive JPEG": encode(picture(size=(200, 150)), progressive=True),
    "PNG": photo(format="PNG", size=(200, 150)),
    "WebP": photo(format="WEBP", size=(200, 150)),
    "turned WebP": encode(picture(), "WEBP", exif=orientation(6)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_photo_cut_at_any_tenth_is_truncated(name: str) -> None:
    data = WHOLE[name]
    found = [size_or_reason(check, data[: len(data) * tenth // 10]) for tenth in range(11)]
    assert found == ["empty", *["truncated"] * 9, check(data)]


@pytest.mark.parametrize("name", WHOLE)
def test_a_photo_cut_near_an_end_is_truncated_or_whole(name: str) -> None:
    """A PNG without its last, empty chunk has every pixel; the header alone already identifies the format."""
    data = WHOLE[name]
    whole = np.asarray(decode(data))
    for length in [*range(4, 80), *range(len(data) - 40, len(data))]:
        try:
            assert np.array_equal(np.asarray(decode(data[:length])), whole)
        except Rejected as rejection:
            assert rejection.reason == "truncated", f"cut to {length} bytes: {rejection}"


@pytest.mark.parametrize("name", WHOLE)
def test_bytes_after_the_photo_do_no_harm(name: str) -> None:
    data = WHOLE[name]
    assert check(data + b"\0" * 100) == check(data + b"trailing text") == check(data)


SMALL = [
    photo(),
    encode(picture(), progressive=True, exif=orientation(6)),
    photo(format="PNG"),
    encode(picture().convert("P"), "PNG", transparency=3, exif=orientation(5)),
    raw_png(SIZE, 16, 0, b"\7\7" * SIZE[0]),
    photo(format="WEBP"),
    encode(picture().convert("RGBA"), "WEBP", lossless=True, exif=orientation(8)),
]


@st.composite
def damaged_photos(draw: st.DrawFn) -> bytes:
    """A valid photo with some bytes changed, half of the time near its start, and possibly a piece removed."""
    data = bytearray(draw(st.sampled_from(SMALL)))
    places = st.integers(0, len(data) - 1) | st.integers(0, 120)
    for place, byte in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        data[place % len(data)] = byte
    lost = draw(st.integers(0, len(data)))
    del data[lost : lost + draw(st.sampled_from([0, 0, 1, 2, 4, 100]))]
    return bytes(data)


@settings(max_examples=300, deadline=None, database=None)
@given(damaged_photos())
def test_damage_is_decoded_or_rejected_and_nothing_else(data: bytes) -> None:
    """And the check, which decodes only a JPEG's brightness at an eighth of its sides, comes to the same conclusion."""
    assert size_or_reason(check, data) == size_or_reason(lambda whole: read(whole).size, data)
