"""Forty unusual or hostile files that a folder of photos may contain, each with its expected outcome."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tests.photos import encode, orientation, photo, raw_png, sample_photo


def write_hostile(folder: Path) -> dict[str, str | None]:
    """Write the files. Returns the reason for quarantine by name, None for files that are unusual but usable."""
    folder.mkdir(parents=True, exist_ok=True)
    fate: dict[str, str | None] = {}

    def add(name: str, content: bytes, reason: str | None) -> None:
        (folder / name).write_bytes(content)
        fate[name] = reason

    add("empty.jpg", b"", "empty")
    add("text.jpg", b"no photo", "not an image")
    add("noise.jpg", np.random.default_rng(0).bytes(5000), "not an image")
    add("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image")
    for kind, cuts in (("jpeg", range(1, 10)), ("png", range(1, 10)), ("webp", range(2, 9))):
        whole = photo(7, kind, (80, 60))
        for tenths in cuts:
            add(f"cut{tenths}.{kind}", whole[: len(whole) * tenths // 10], "truncated")
    add("bomb.png", raw_png((20_000, 20_000), 1, 0, bytes(2500)), "too large")
    add("stamp.png", photo(8, "PNG", (31, 400)), "too small")

    (folder / "folder.jpg").mkdir()
    fate["folder.jpg"] = "not an image"
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    fate["gone.jpg"] = "unreadable source"
    add("secret.jpg", photo(9), None if os.geteuid() == 0 else "unreadable source")  # root reads everything
    (folder / "secret.jpg").chmod(0)

    plum = sample_photo("Plum", 29, 96)
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    add("cmyk.jpg", encode(plum.convert("CMYK")), None)
    add("sixteen_bits.png", encode(Image.fromarray(deep), "PNG"), None)
    add("moving.gif", encode(sample_photo("Plum", 9, 96), "GIF", save_all=True, append_images=[plum]), None)
    add("palette.png", encode(plum.quantize(16), "PNG"), None)
    add("upright.png", encode(plum, "PNG"), None)
    add("lying.png", encode(plum.transpose(Image.Transpose.ROTATE_90), "PNG", exif=orientation(6)), None)
    return fate
