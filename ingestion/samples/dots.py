"""Dots scattered evenly over the sphere of directions: lenticels, oil glands, seeds, scales."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingestion.samples.vectors import Array, unit

GRID_ROWS = 48  # of the table of directions, from stem to base; it has twice as many columns, all around


class Dots(NamedTuple):
    """Scattered dots seen from each sample, all (N,), in radians on the sphere.

    away, across, down: distance to the nearest dot, and its parts about and along the stem (down is signed);
    border: how much farther the second nearest is, so 0 on the seam between two; fate: the dot's own
    random-looking number in [0, 1).
    """

    away: Array
    across: Array
    down: Array
    border: Array
    fate: Array


def _spiral(count: int, jitter: float) -> Array:
    """`count` directions (count, 3) spread evenly over the sphere, shaken by `jitter` of their spacing."""
    rng = np.random.default_rng(count)
    step = np.arange(count) + 0.5
    height = 1.0 - 2.0 * step / count
    turn = step * (np.pi * (3.0 - np.sqrt(5.0)))
    ring = np.sqrt(1.0 - height**2)
    points = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)])
    points += rng.normal(0.0, jitter * 2.0 / np.sqrt(count), points.shape)
    return unit(points).T.astype(np.float32)


@functools.cache
def _dot_table(count: int, jitter: float) -> tuple[Array, npt.NDArray[np.intp]]:
    """A dot pattern (count, 3), and for each cell of a grid of directions its 4 nearest dots.

    Comparing every pixel with every dot is by far the slowest way to draw an orange; the table does it once.
    """
    centres = _spiral(count, jitter)
    along, around = (np.indices((GRID_ROWS, 2 * GRID_ROWS)) + 0.5) * np.pi / GRID_ROWS
    grid = np.stack([np.sin(along) * np.cos(around), np.cos(along), np.sin(along) * np.sin(around)], axis=-1)
    likeness = grid.reshape(-1, 3).astype(np.float32) @ centres.T
    return centres, np.argpartition(-likeness, 4, axis=1)[:, :4]


def nearest_dots(direction: Array, along: Array, pose: Array, count: int, jitter: float) -> Dots:
    """The dots nearest to each `direction` (3, N), `along` (N,) from the stem; `pose` turns the pattern."""
    centres, table = _dot_table(count, jitter)
    turned = pose @ direction
    cells = np.float32(GRID_ROWS / np.pi)
    row = np.minimum(np.arccos(np.clip(turned[1], -1.0, 1.0)) * cells, GRID_ROWS - 1).astype(np.intp)
    column = np.floor(np.arctan2(turned[2], turned[0]) * cells).astype(np.intp) % (2 * GRID_ROWS)
    near = table[row * (2 * GRID_ROWS) + column].T  # (4, N)
    first = second = np.full(along.shape, np.inf, np.float32)
    number = near[0]
    for candidate in near:
        gap = turned - centres[candidate].T
        square = gap[0] * gap[0] + gap[1] * gap[1] + gap[2] * gap[2]
        better = square < first
        second = np.minimum(second, np.where(better, first, square))
        first, number = np.where(better, square, first), np.where(better, candidate, number)
    gap = pose.T @ (turned - centres[number].T)
    away = np.sqrt(first)
    down = -gap[1] / np.maximum(np.sin(along), 0.25)
    across = np.sqrt(np.maximum(first - down * down, 0.0))
    fate = (number * 0.618034 % 1.0).astype(np.float32)
    return Dots(away, across, down, np.sqrt(second) - away, fate)
