"""Ray marching: where each pixel's ray meets a body, and which way the surface faces there."""

from __future__ import annotations

import numpy as np

from ingestion.samples.bodies import Body
from ingestion.samples.vectors import Array, unit
from ingestion.samples.view import View

BACKGROUND = -9.0  # depth of a pixel that sees nothing
MARCH_STEPS = 48  # only rays that graze a rim need more than a dozen; the others are dropped on the way
MARCH_STRIDE = 0.75  # below 1 because a radial field overstates the distance where the profile is steep


def trace(body: Body, view: View) -> tuple[Array, Array, float]:
    """Cover (H, W) in [0, 1] and depth (H, W) of the body; and the radius of a sphere that encloses it."""
    outline = view.pose @ body.outline()
    reach = float(np.sqrt((outline**2).sum(axis=0)).max()) * 1.03
    margin = 3 * view.pixel
    near = (view.u > outline[0].min() - margin) & (view.u < outline[0].max() + margin)
    near &= (view.v > outline[1].min() - margin) & (view.v < outline[1].max() + margin)
    found, gap = _march(body, view.pose, view.u[near], view.v[near], reach)
    cover, depth = np.zeros_like(view.u), np.full_like(view.u, BACKGROUND)
    cover[near] = np.clip(1.25 - gap / view.pixel, 0.0, 1.0)
    depth[near] = found
    return cover, np.where(cover > 0.0, depth, BACKGROUND), reach


def _march(body: Body, pose: Array, u: Array, v: Array, reach: float) -> tuple[Array, Array]:
    """Follow rays from camera-plane points u, v (N,): depth (N,) and field (N,) where they come nearest."""
    base = pose.T[:, :1] * u + pose.T[:, 1:2] * v
    axis = pose.T[:, 2:3]
    close = np.float32(reach / 800)  # a tenth of a pixel in a photo of 160
    depth = np.sqrt(np.maximum(reach * reach - u * u - v * v, 0.0)).astype(np.float32)
    best, nearest = depth.copy(), np.full_like(depth, np.inf)
    alive = np.arange(u.size)
    before, moved = np.zeros_like(depth), np.ones_like(depth)
    for step in range(MARCH_STEPS):
        value = body.field(base + axis * depth)
        gap = np.abs(value)  # a long stride may end inside the body: that is no nearer than as far outside
        closer = gap < nearest[alive]
        nearest[alive[closer]] = gap[closer]
        best[alive[closer]] = depth[closer]
        # On a slanting approach the field falls by less than a unit per unit: the last step tells the rate.
        slope = (before - value) / moved
        stride = np.where((slope > 0.35) & (value < 0.25), 1.0 / np.maximum(slope, 0.35), MARCH_STRIDE)
        before, moved = value, stride * value
        moved = np.where(np.abs(moved) < 1e-6, np.float32(1e-6), moved)
        depth = depth - moved
        if step > 2 and step % 2:
            # Drop what arrived or flew past the body; a ray moving away may still meet a farther lip.
            going = (gap > close) & (depth > -reach)
            alive, base, depth = alive[going], base[:, going], depth[going]
            before, moved = before[going], moved[going]
            if not alive.size:
                break
    return best, nearest


def normals(body: Body, pose: Array, points: Array) -> Array:
    """Outward normals (3, N) in camera space at object-space surface `points` (3, N)."""
    here = body.field(points)
    steps = 0.006 * np.eye(3, dtype=np.float32)[:, :, None]  # one along each axis
    return unit(pose @ np.stack([body.field(points + step) - here for step in steps]))
