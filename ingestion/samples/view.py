"""One photo's frame, and the layers laid over each other in it: arrays (H, W), rows from the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ingestion.samples.vectors import Array


@dataclass(frozen=True)
class View:
    """How the camera sees a body: turned by `pose` (3, 3), pixels at camera-plane points u, v (H, W).

    span: width and height of the frame, in units.
    """

    pose: Array
    u: Array
    v: Array
    span: float

    @classmethod
    def framed(cls, extent: Array, pose: Array, rng: np.random.Generator, size: int) -> View:
        """A frame around the camera-space points `extent` (3, M), now closer, now wider, never quite centred."""
        left, right, bottom, top = extent[0].min(), extent[0].max(), extent[1].min(), extent[1].max()
        span = float(max(right - left, top - bottom)) / float(rng.uniform(0.80, 0.94))
        shift = rng.uniform(-0.02, 0.02, 2) * span
        steps = (np.arange(size) + 0.5) * (span / size) - span / 2
        u, v = np.meshgrid(steps + (left + right) / 2 + shift[0], -steps + (bottom + top) / 2 + shift[1])
        return cls(pose, u.astype(np.float32), v.astype(np.float32), span)

    @property
    def pixel(self) -> float:
        """How many units a pixel covers."""
        return float(self.u[0, 1] - self.u[0, 0])


@dataclass
class Layer:
    """A layer of the photo: cover (H, W) in [0, 1], linear light (H, W, 3), depth (H, W) to the camera."""

    cover: Array
    light: Array
    depth: Array

    def over(self, canvas: Array) -> Array:
        """The picture (H, W, 3) with this layer laid over it."""
        share = self.cover[..., None]
        return canvas * (1.0 - share) + self.light * share


def blur(image: Array, radius: float) -> Array:
    """Gaussian blur of (H, W) values in [0, 1], through Pillow's 8 bits: for masks and shadows."""
    eight = Image.fromarray((np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8))
    return np.asarray(eight.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255.0
