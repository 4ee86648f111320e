"""Before an erasure: finding the files of a source with the same photos, whatever their metadata and folders."""

from pathlib import Path

from ingestion.admission import admit, image_id_of
from ingestion.copies import find_copies
from ingestion.walk import Source
from tests.photos import encode, orientation, photo, picture


def test_copies_are_found_by_their_pixels_bytes_and_neighbours_by_their_label(tmp_path: Path) -> None:
    image = picture(1)
    files = {
        "Pear/1.jpg": encode(image),
        "Plum/with a comment.jpg": encode(image, comment=b"Ada's"),
        "Plum/without an end": encode(image)[:-2],
        "Plum/turned.jpg": encode(image, exif=orientation(6)),  # displayed differently, so a different photo
        "Plum/2.jpg": photo(2),
        "Kiwi/3.png": photo(3, "PNG"),
        "Kiwi/broken.jpg": b"",
        "Kiwi/.thumbnails/1.jpg": encode(image),
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    ids = {name: image_id_of(admit(data)[0]) for name, data in files.items() if data}
    found = list(find_copies(Source(str(tmp_path)), {ids["Pear/1.jpg"]}, {"Kiwi"}))
    assert sorted(found) == [
        (str(tmp_path / name), ids[name])
        for name in ("Kiwi/3.png", "Pear/1.jpg", "Plum/with a comment.jpg", "Plum/without an end")
    ]
