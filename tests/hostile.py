"""Forty files that a folder of photos may hold and nobody wants, or fears; each with what has to become of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from ingestion.samples import draw_photo
from tests.photos import encode, orientation, photo, raw_png


def write_hostile(folder: Path) -> dict[str, str | None]:
    """Write them. Name → the reason for its quarantine, None for one that is odd but good."""
    folder.mkdir(parents=True, exist_ok=True)
    fate: dict[str, str | None] = {}

    def add(name: str, content: bytes, reason: str | None) -> None:
        (folder / name).write_bytes(content)
        fate[name] = reason

    add("empty.jpg", b"", "empty")
    add("text.jpg", b"no photo", "not an image")
    add("noise.jpg", np.random.default_rng(0).bytes(5000), "not an image")
    add("moving.gif", encode(Image.new("L", (64, 64)), "GIF"), "not an image")
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

    plum = draw_photo("Plum", 99, 96)
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    add("cmyk.jpg", encode(plum.convert("CMYK")), None)
    add("sixteen_bits.png", encode(Image.fromarray(deep), "PNG"), None)
    add("palette.png", encode(plum.quantize(16), "PNG"), None)
    add("upright.png", encode(plum, "PNG"), None)
    add("lying.png", encode(plum.transpose(Image.Transpose.ROTATE_90), "PNG", exif=orientation(6)), None)
    return fate
