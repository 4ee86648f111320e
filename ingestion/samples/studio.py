"""The photo studio: a white stand, a softbox, a camera. Light adds up linearly until the camera takes it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from ingestion.samples.fruit_layer import paint_fruit
from ingestion.samples.light import Light
from ingestion.samples.recipes import Pose, Recipe
from ingestion.samples.sprig_layer import paint_sprigs
from ingestion.samples.vectors import Array, rotation
from ingestion.samples.view import Layer, View, blur


def photograph(recipe: Recipe, rng: np.random.Generator, turn: float, size: int) -> Image.Image:
    """An RGB photo, size x size pixels, of an individual that `rng` chooses, turned by `turn` radians."""
    body = recipe.body.varied(rng)
    pose = _posed(recipe.pose, rng, turn)
    sprigs = recipe.sprigs(body, rng) if recipe.sprigs else []
    light = Light.placed(rng)
    # Frame what is there, stems included, so that no kind of fruit is known by its distance from the camera.
    extent = [pose @ body.outline(), *((sprig.centres @ pose.T).T for sprig in sprigs)]
    view = View.framed(np.concatenate(extent, axis=1), pose, rng, size)

    fruit = paint_fruit(recipe, body, view, light, rng)
    green = paint_sprigs(sprigs, view, light, fruit.depth)
    fruit.light *= (1.0 - 0.5 * _cast_shadow(green, view, light))[..., None]
    stand = _stand(fruit, view, light, rng)
    return _exposed(green.over(fruit.over(stand)), rng)


def _posed(pose: Pose, rng: np.random.Generator, turn: float) -> Array:
    """The matrix (3, 3) that turns the body and leans it within what the pose allows."""
    if pose.swing < np.pi:
        turn = pose.swing * float(np.sin(turn)) + np.pi * float(rng.integers(2))
    return rotation(turn, float(np.radians(rng.uniform(*pose.tilt))), float(np.radians(rng.uniform(*pose.roll))))


def _cast_shadow(green: Layer, view: View, light: Light) -> Array:
    """The shadow (H, W) of stem and leaves on the fruit: their cover, moved away from the light and blurred."""
    size = len(green.cover)
    right, down = np.round(-light.direction[:2] * 0.10 / (view.span / size)).astype(int) * (1, -1)
    return blur(np.roll(green.cover, (down, right), axis=(0, 1)), 0.012 * size)


def _stand(fruit: Layer, view: View, light: Light, rng: np.random.Generator) -> Array:
    """The stand (H, W, 3): a little uneven, with a tight and a wide shadow of the fruit, away from the light."""
    rows, columns = np.nonzero(fruit.cover > 0.5)
    foot = float(view.v[rows.max(), 0])
    lowest = columns[rows > rows.max() - max(2, len(view.v) // 16)]
    middle, half = float(view.u[0, int(lowest.mean())]), 0.5 * float(np.ptp(view.u[0, columns]))
    across, up = view.u - middle, view.v - foot
    falloff = 1.0 - 0.04 * ((across - light.aside) ** 2 + up**2) / view.span**2
    back = float(rng.uniform(0.985, 1.03)) * falloff
    wide = np.exp(-(((across + 0.3 * light.aside * half) / (0.75 * half)) ** 2) - (up / (0.13 * half)) ** 2)
    tight = np.exp(-((across / (0.42 * half)) ** 2) - (up / (0.05 * half)) ** 2)
    stand = back * (1.0 - float(rng.uniform(0.16, 0.34)) * wide) * (1.0 - 0.4 * tight)
    return stand.astype(np.float32)[..., None] * np.array([1.0, 0.998, 0.994], np.float32)


def _exposed(scene: Array, rng: np.random.Generator) -> Image.Image:
    """What the camera makes of the light (H, W, 3): white balance, exposure, focus, sensor noise."""
    size = len(scene)
    balance = np.array([1.0, 1.0, 1.0]) + rng.normal(0.0, 1.0) * np.array([0.022, 0.0, -0.026])
    exposed = scene * (balance * rng.uniform(0.95, 1.05)).astype(np.float32)
    grain = rng.standard_normal((size, size, 1), np.float32)
    grain = grain + 0.4 * rng.standard_normal((size, size, 3), np.float32)
    photo = Image.fromarray((np.sqrt(np.clip(exposed, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8))
    focused = photo.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.0, 0.65)) * size / 160))
    noisy = np.asarray(focused, np.float32) + grain * float(rng.uniform(0.6, 2.2))
    return Image.fromarray(np.clip(noisy + 0.5, 0.0, 255.0).astype(np.uint8))
