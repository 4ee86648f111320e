"""The stems and leaves in the photo: tube over tube, what is nearer hides what is behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingestion.samples.light import Light, shade
from ingestion.samples.sprigs import Sprig
from ingestion.samples.vectors import Array, unit
from ingestion.samples.view import Layer, View


def paint_sprigs(sprigs: Sequence[Sprig], view: View, light: Light, behind: Array) -> Layer:
    """The layer of all stems and leaves in front of the depth map `behind` (H, W)."""
    cover, depth = np.zeros_like(view.u), behind.copy()
    normal, colour = np.zeros((*cover.shape, 3), np.float32), np.zeros((*cover.shape, 3), np.float32)
    for sprig in sprigs:
        box = _box(sprig, view)
        part, front, facing, tones = _tube(sprig, view, box)
        seen = (part > 0.0) & (front > depth[box])
        upper = (seen & ((part > 0.5) | (part >= cover[box])))[..., None]
        depth[box] = np.where(seen & (part > 0.5), front, depth[box])
        cover[box] = np.where(seen, np.maximum(cover[box], part), cover[box])
        normal[box] = np.where(upper, facing, normal[box])
        colour[box] = np.where(upper, tones, colour[box])
    drawn = cover > 0.0
    toward = unit(normal[drawn].T)
    open_sky = 0.65 + 0.35 * np.clip(toward[2], 0.0, 1.0)
    picture = np.zeros_like(colour)
    picture[drawn] = shade(toward, colour[drawn] ** 2, light, 0.12, 0.5, open_sky)
    return Layer(cover, picture, depth)


def _box(sprig: Sprig, view: View) -> tuple[slice, slice]:
    """The rows and columns of the frame that the sprig may touch."""
    x, y, _ = (sprig.centres @ view.pose.T).T.astype(np.float32)
    wide = float(sprig.radii.astype(np.float32).max()) + 2 * view.pixel
    left, right = x.min() - wide - view.u[0, 0], x.max() + wide - view.u[0, 0]
    top, bottom = view.v[0, 0] - y.max() - wide, view.v[0, 0] - y.min() + wide
    height, width = view.u.shape
    return (
        slice(max(int(top / view.pixel), 0), min(int(bottom / view.pixel) + 1, height)),
        slice(max(int(left / view.pixel), 0), min(int(right / view.pixel) + 1, width)),
    )


def _tube(sprig: Sprig, view: View, box: tuple[slice, slice]) -> tuple[Array, Array, Array, Array]:
    """In the box (h, w): cover, depth of the front, direction it faces (h, w, 3), colour (h, w, 3)."""
    u, v = view.u[box], view.v[box]
    centres = (sprig.centres @ view.pose.T).T.astype(np.float32)
    radii = sprig.radii.astype(np.float32)[:, None]
    # The segment each pixel is deepest in, all segments at once: arrays (segments, pixels of the box).
    start, step = centres[:, :-1, None], np.diff(centres, axis=1)[:, :, None]
    dx, dy = u.reshape(1, -1) - start[0], v.reshape(1, -1) - start[1]
    place = np.clip((dx * step[0] + dy * step[1]) / (step[0] ** 2 + step[1] ** 2 + 1e-9), 0.0, 1.0)
    dx, dy = dx - place * step[0], dy - place * step[1]
    radius = radii[:-1] + place * np.diff(radii, axis=0)
    flat = np.sqrt(dx * dx + dy * dy)
    deepest = np.argmin(flat - radius, axis=0)
    each = np.arange(deepest.size)
    dx, dy, flat, radius, place = (grid[deepest, each] for grid in (dx, dy, flat, radius, place))

    part = np.clip((radius - flat) / view.pixel + 0.5, 0.0, 1.0)
    rise = np.sqrt(np.maximum(radius * radius - flat * flat, 0.0))
    front = start[2, deepest, 0] + place * step[2, deepest, 0] + rise
    facing = np.stack([dx, dy, rise + 0.2 * radius], axis=-1)
    tones = sprig.colours[deepest] + np.diff(sprig.colours, axis=0)[deepest] * place[:, None]
    return part.reshape(u.shape), front.reshape(u.shape), facing.reshape(*u.shape, 3), tones.reshape(*u.shape, 3)
