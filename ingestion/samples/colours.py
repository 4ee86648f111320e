"""Colours are sRGB in [0, 1]; the light squares them, with gamma 2 standing in for sRGB's own curve."""

from __future__ import annotations

import numpy as np

from ingestion.samples.vectors import Array

Colour = tuple[float, float, float]

BROWN: Colour = (0.33, 0.23, 0.13)
DARK_BROWN: Colour = (0.20, 0.14, 0.09)
LEAF: Colour = (0.36, 0.52, 0.18)
DARK_LEAF: Colour = (0.20, 0.36, 0.11)


def mix(first: Colour | Array, second: Colour | Array, share: Array) -> Array:
    """Blend two colours, each one triple or (N, 3), by `share` (N,) of the second; returns (N, 3)."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return a + (b - a) * share[:, None]
