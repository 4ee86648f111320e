"""What a skin is painted with: samples of the surface and the patterns they carry, into colour and relief."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.samples.dots import Dots, nearest_dots
from ingestion.samples.noise import NOISE_CELLS, noise
from ingestion.samples.vectors import Array, rotation


@dataclass(frozen=True)
class Skin:
    """What the camera sees of a body: points (3, N) in object space, their directions (3, N).

    along, around: see Body.coordinates, each (N,); pixel: units a pixel covers, no detail need be finer.
    """

    points: Array
    direction: Array
    along: Array
    around: Array
    pixel: float
    rng: np.random.Generator

    def noise(self, frequency: float, lengthwise: float = 1.0) -> Array:
        """Fractal noise (N,), mean 0 and deviation 1, whose largest blobs are about 8/frequency units wide.

        lengthwise: how many times longer the blobs are in the direction of the stem.
        """
        scale = np.array([[frequency], [frequency / lengthwise], [frequency]], np.float32)
        return noise(self.points * scale, self.rng.uniform(0, NOISE_CELLS, 3))

    def streaks(self, around: float, along: float) -> Array:
        """Noise (N,) drawn out from stem to base: `around` cells a radian across, `along` a radian down."""
        ring = np.stack([np.cos(self.around) * around, self.along * along, np.sin(self.around) * around])
        return noise(ring.astype(np.float32), self.rng.uniform(0, NOISE_CELLS, 3))

    def dots(self, count: int, jitter: float, upright: bool = False) -> Dots:
        """Where each sample lies among `count` scattered dots; `upright` keeps their spiral upright."""
        turn, tilt, roll = self.rng.uniform(0, 2 * np.pi, 3)
        pose = rotation(turn, 0.0, 0.0) if upright else rotation(turn, tilt, roll)
        return nearest_dots(self.direction, self.along, pose, count, jitter)


@dataclass(frozen=True)
class Paint:
    """A skin's looks: colour (N, 3) sRGB, bump (N,) height in units, relative gloss (N,) or one number."""

    colour: Array
    bump: Array
    gloss: Array | float = 1.0
