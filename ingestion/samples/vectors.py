"""Small mathematics on arrays. Points and directions are float32 of shape (3, N), one column per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high` (swap them to fall instead of rise), smooth between; any shape."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    eased: Array = t * t * (3.0 - 2.0 * t)
    return eased


def unit(vectors: Array) -> Array:
    """Scale the columns of (3, ...) to length one."""
    length = np.sqrt((vectors * vectors).sum(axis=0))
    scaled: Array = vectors / np.maximum(length, 1e-6)
    return scaled


def rotation(turn: float, tilt: float, roll: float) -> Array:
    """The matrix (3, 3) that turns a body about its stem, leans it to the camera, rolls it (radians)."""
    (cy, cx, cz), (sy, sx, sz) = np.cos([turn, tilt, roll]), np.sin([turn, tilt, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)
