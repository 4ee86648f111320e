"""The studio's light: a softbox, a bright room, and what a surface sends on to the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.samples.vectors import Array, smoothstep, unit


@dataclass(frozen=True)
class Light:
    """Light of one photo, linear.

    direction: to the softbox (3,), of length one; aside: how far right it stands, before that scaling; key, room:
    how much light the softbox and the room give.
    """

    direction: Array
    aside: float
    key: float
    room: float

    @classmethod
    def placed(cls, rng: np.random.Generator) -> Light:
        """A softbox somewhere above and before the fruit."""
        aside = float(rng.uniform(-0.75, 0.75))
        direction = unit(np.array([aside, rng.uniform(0.25, 0.85), rng.uniform(0.65, 1.0)], np.float32))
        return cls(direction, aside, key=float(rng.uniform(0.68, 0.90)), room=float(rng.uniform(0.30, 0.44)))


def shade(normal: Array, albedo: Array, light: Light, gloss: Array | float, rough: float, open_sky: Array) -> Array:
    """Light (N, 3) off a surface of linear `albedo` (N, 3); open_sky (N,) is what occlusion leaves."""
    toward = (normal * light.direction[:, None]).sum(axis=0)
    key = light.key * np.clip((toward + 0.22) / 1.22, 0.0, 1.0) ** 1.4 * (0.55 + 0.45 * open_sky)
    room = light.room * (0.82 + 0.30 * normal[1]) * open_sky
    out: Array = albedo * (key + room)[:, None] + (gloss * _mirrored(normal, light, rough, open_sky))[:, None]
    return out


def _mirrored(normal: Array, light: Light, rough: float, open_sky: Array) -> Array:
    """The softbox in a polished surface (N,): a window blurred by `rough`, a haze around it, a pale rim."""
    ray = 2.0 * normal[2] * normal
    ray[2] -= 1.0
    side = unit(np.cross(light.direction, [0.0, 1.0, 0.2])).astype(np.float32)
    above = np.cross(side, light.direction)
    facing = np.maximum((ray * light.direction[:, None]).sum(axis=0), 1e-3)
    right = np.abs((ray * side[:, None]).sum(axis=0) / facing)
    up = np.abs((ray * above[:, None]).sum(axis=0) / facing)
    soft = 0.08 + rough
    window = smoothstep(0.22 + soft, 0.22 - 0.6 * soft, right) * smoothstep(0.34 + soft, 0.34 - 0.6 * soft, up)
    haze = np.exp(-(right * right + up * up) * 1.3) * 0.16
    rim = 0.10 * (1.0 - np.clip(normal[2], 0.0, 1.0)) ** 4 * (0.6 + 0.4 * normal[1])
    shine: Array = np.where(facing > 0.01, window + haze, 0.0) * open_sky + rim
    return shine
