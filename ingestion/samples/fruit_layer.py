"""The fruit in the photo: traced, painted by its skin, embossed, shaded."""

from __future__ import annotations

import numpy as np

from ingestion.samples.bodies import Body
from ingestion.samples.light import Light, shade
from ingestion.samples.march import normals, trace
from ingestion.samples.recipes import Recipe
from ingestion.samples.skin import Skin
from ingestion.samples.vectors import Array, Mask, smoothstep, unit
from ingestion.samples.view import Layer, View, blur


def paint_fruit(recipe: Recipe, body: Body, view: View, light: Light, rng: np.random.Generator) -> Layer:
    """The layer of `body`, an individual of the recipe's kind."""
    cover, depth, reach = trace(body, view)
    seen = cover > 0.0
    camera = np.stack([view.u[seen], view.v[seen], depth[seen]])
    points = (view.pose.T @ camera).astype(np.float32)
    normal = normals(body, view.pose, points)
    along, around = body.coordinates(points)
    paint = recipe.skin(Skin(points, unit(points), along, around, view.pixel, rng))

    relief = np.zeros_like(view.u)
    relief[seen] = paint.bump
    normal = _embossed(normal, relief, seen, view.pixel)
    facing = np.clip(normal[2], 0.0, 1.0)
    low, high = float(camera[1].min()), float(camera[1].max())
    contact = smoothstep(-0.02, 0.30, (camera[1] - low) / (high - low))
    hollow = _behind_surroundings(cover, depth, reach) * np.clip(normal[2] * 2.5, 0.0, 1.0)
    open_sky = (1.0 - 0.75 * hollow) * (0.62 + 0.38 * contact) * (0.72 + 0.28 * np.sqrt(facing))

    finish, albedo = recipe.finish, np.clip(paint.colour, 0.0, 1.0) ** 2
    shaded = shade(normal, albedo, light, finish.gloss * paint.gloss, finish.rough, open_sky)
    if finish.velvet:
        fuzz = finish.velvet * (1.0 - facing) ** 2 * (0.45 + 0.55 * contact)
        shaded += fuzz[:, None] * (0.35 + 0.65 * np.sqrt(albedo))
    picture = np.zeros((*view.u.shape, 3), np.float32)
    picture[seen] = shaded
    return Layer(cover, picture, depth)


def _embossed(normal: Array, relief: Array, seen: Mask, pixel: float) -> Array:
    """The normals (3, N) of the seen pixels, tilted by the slopes of the relief (H, W)."""
    inner = seen.copy()  # a slope across the silhouette would read the background as a cliff
    inner[1:-1, 1:-1] = seen[2:, 1:-1] & seen[:-2, 1:-1] & seen[1:-1, 2:] & seen[1:-1, :-2]
    down, across = np.gradient(relief, pixel)
    tilt = np.stack([np.where(inner, across, 0.0)[seen], np.where(inner, -down, 0.0)[seen]])
    tilted = normal.copy()
    tilted[:2] -= np.clip(tilt, -1.2, 1.2)
    return unit(tilted)


def _behind_surroundings(cover: Array, depth: Array, reach: float) -> Array:
    """How far (N,) in [0, 1] each seen pixel lies behind the mean depth around it: in a hollow or groove."""
    seen, radius = cover > 0.0, len(cover) / 18
    share = np.where(seen, (depth + reach) / (2 * reach), 0.0)
    around = (blur(share, radius) / np.maximum(blur(cover, radius), 0.02))[seen] * 2 * reach - reach
    return np.clip((around - depth[seen]) / 0.34, 0.0, 1.0)
