"""Cloudy randomness in space: one periodic volume of fractal noise, sampled wherever a skin asks."""

from __future__ import annotations

import functools

import numpy as np

from ingestion.samples.vectors import Array

NOISE_CELLS = 64  # edge of the periodic volume, in lattice cells


@functools.cache
def _noise_volume() -> Array:
    """The volume, flattened from (64, 64, 64), mean 0 and deviation 1."""
    rng = np.random.default_rng(360)
    total = np.zeros((NOISE_CELLS,) * 3, np.float32)
    for cells, weight in ((8, 1.0), (16, 0.55), (32, 0.32), (64, 0.2)):
        layer: Array = rng.standard_normal((cells,) * 3, np.float32)
        factor = NOISE_CELLS // cells
        for axis in range(3):
            layer = np.repeat(layer, factor, axis=axis)
            for _ in range(2):  # two box blurs as wide as a cell turn the blocks into a smooth field
                layer = np.mean([np.roll(layer, shift, axis) for shift in range(factor)], axis=0)
        total += weight * layer / layer.std()
    flat: Array = ((total - total.mean()) / total.std()).astype(np.float32).ravel()
    return flat


def noise(points: Array, offset: Array) -> Array:
    """Trilinear samples (N,) of the volume at `points` (3, N), in cells, moved by `offset` (3,).

    The largest blobs are 8 cells wide, the finest 1 cell; the scale of the points sizes them on the fruit.
    """
    volume = _noise_volume()
    moved = points + offset[:, None].astype(np.float32)
    base = np.floor(moved)
    fx, fy, fz = moved - base
    low = base.astype(np.int32) & (NOISE_CELLS - 1)
    high = (low + 1) & (NOISE_CELLS - 1)
    slabs = []
    for x in (low[0] * NOISE_CELLS**2, high[0] * NOISE_CELLS**2):
        rows = []
        for y in (low[1] * NOISE_CELLS, high[1] * NOISE_CELLS):
            near, far = volume[x + y + low[2]], volume[x + y + high[2]]
            rows.append(near + (far - near) * fz)
        slabs.append(rows[0] + (rows[1] - rows[0]) * fy)
    value: Array = slabs[0] + (slabs[1] - slabs[0]) * fx
    return value
