"""Skins from orchard and garden: apple, pear, peach, blueberry, strawberry, and all that is plainly smooth."""

from __future__ import annotations

import numpy as np

from ingestion.samples.colours import DARK_BROWN, Colour, mix
from ingestion.samples.skin import Paint, Skin
from ingestion.samples.vectors import Array, smoothstep


def _sunny_side(skin: Skin, share: float, ragged: float) -> Array:
    """How much (N,) the sun has reddened the skin: one side more than the other, with a ragged border."""
    sun = skin.rng.normal(0.0, 1.0, 3) * np.array([1.0, 0.4, 1.0])
    sun /= np.linalg.norm(sun)
    toward = (skin.direction * sun[:, None]).sum(axis=0)
    amount = share + float(skin.rng.normal(0.0, 0.12))
    return smoothstep(-0.55, 0.55, 0.75 * toward + ragged * skin.noise(5.0) + 2.0 * amount - 1.0)


def apple(skin: Skin, ground: Colour, blush: Colour, share: float, streaky: float, lenticel: float) -> Paint:
    """Streaks of blush over the ground colour, pale lenticels, russet in the stem cavity, a dark calyx."""
    fibre = 0.7 * skin.streaks(13.0, 1.2) + 0.8 * skin.streaks(34.0, 2.5) + 0.3 * skin.noise(9.0)
    streak = smoothstep(-1.3, 1.1, fibre)
    red = _sunny_side(skin, share, 0.35) * (1.0 - streaky + streaky * streak)
    colour = mix(ground, blush, np.minimum(1.6 * red, 1.0))
    colour = mix(colour, (0.62 * blush[0], 0.62 * blush[1], 0.62 * blush[2]), smoothstep(0.6, 1.3, red))
    colour = colour * (1.0 + 0.04 * skin.noise(14.0))[:, None]
    dots = skin.dots(260, 0.45)
    spot = smoothstep(1.5, 0.6, dots.away / np.maximum(0.008 + 0.010 * dots.fate, 0.8 * skin.pixel))
    colour = mix(colour, (0.88, 0.80, 0.56), lenticel * spot)
    ragged = skin.along + 0.07 * skin.streaks(8.0, 1.0)
    colour = mix(colour, ground, 0.8 * smoothstep(0.52, 0.25, ragged))
    colour = mix(colour, (0.46, 0.37, 0.18), 0.75 * smoothstep(0.36, 0.12, ragged))
    colour = mix(colour, DARK_BROWN, 0.9 * smoothstep(0.20, 0.08, np.pi - ragged))
    return Paint(colour, 0.0025 * skin.noise(10.0))


def pear(skin: Skin) -> Paint:
    """Green to straw yellow, russet freckles, one cheek sometimes warm."""
    ripe = smoothstep(-1.8, 1.8, skin.noise(2.5) + float(skin.rng.normal(0.0, 0.9)))
    colour = mix((0.62, 0.66, 0.22), (0.84, 0.74, 0.32), ripe)
    colour = mix(colour, (0.78, 0.42, 0.20), 0.45 * _sunny_side(skin, 0.22, 0.3))
    dots = skin.dots(500, 0.5)
    freckle = smoothstep(1.6, 0.5, dots.away / (0.009 + 0.008 * dots.fate))
    colour = mix(colour, (0.45, 0.33, 0.14), 0.65 * freckle)
    russet = smoothstep(0.4, 2.6, 0.9 * skin.noise(9.0) + 1.9 * smoothstep(0.8, 0.0, skin.along))
    colour = mix(colour, (0.55, 0.40, 0.18), 0.7 * russet)
    return Paint(mix(colour, DARK_BROWN, smoothstep(0.16, 0.07, np.pi - skin.along)), 0.006 * skin.noise(6.0))


def peach(skin: Skin, ground: Colour, blush: Colour, share: float) -> Paint:
    """A blush that thins out in fine dots, a dusty fuzz."""
    red = _sunny_side(skin, share, 0.12)
    red = red * smoothstep(-2.6, 0.9, skin.noise(26.0) + 0.4 * skin.streaks(22.0, 3.0))
    colour = mix(ground, blush, red)
    colour = mix(colour, (0.86, 0.80, 0.42), 0.7 * smoothstep(0.40, 0.10, skin.along))
    return Paint(colour * (1.0 + 0.025 * skin.noise(40.0))[:, None], 0.004 * skin.noise(30.0))


def smooth(skin: Skin, main: Colour, other: Colour, bloom: float, mottle: float, scar: Colour) -> Paint:
    """A glossy or waxy skin: two tones, a bloom wiped off here and there, a small scar at the far end."""
    cloud = skin.noise(3.0) + float(skin.rng.normal(0.0, 0.7)) + 0.35 * skin.noise(12.0) * mottle
    colour = mix(main, other, smoothstep(-1.8, 1.8, cloud))
    wax = bloom * smoothstep(-1.2, 1.4, skin.noise(5.5) + 0.4 * skin.streaks(6.0, 3.0))
    colour = mix(colour, (0.62, 0.66, 0.78), wax)
    colour = mix(colour, scar, 0.85 * smoothstep(0.10, 0.05, np.pi - skin.along))
    colour = colour * (1.0 + 0.03 * skin.noise(22.0))[:, None]
    return Paint(colour, 0.002 * skin.noise(9.0), 1.0 - 0.6 * wax)


def blueberry(skin: Skin) -> Paint:
    """Dark skin under a pale bloom; at the stem pole, inside the crown, a sunken disc."""
    bloom, crown = (0.46, 0.53, 0.70), 0.30  # the disc's edge, in radians from the pole
    wax = smoothstep(-1.3, 1.3, skin.noise(5.0) + 0.5 * skin.noise(16.0) + float(skin.rng.normal(0.0, 0.5)))
    colour = mix((0.16, 0.19, 0.36), bloom, wax) * (1.0 + 0.05 * skin.noise(24.0))[:, None]
    disc = smoothstep(crown, 0.75 * crown, skin.along + 0.02 * skin.noise(10.0))
    rim = smoothstep(0.35, 0.0, np.abs(skin.along / crown - 1.0))
    colour = mix(mix(colour, bloom, 0.6 * rim), (0.16, 0.12, 0.14), 0.8 * disc)
    bump = 0.003 * skin.noise(12.0) - 0.03 * disc + 0.015 * rim
    return Paint(colour, bump, 1.0 - 0.75 * np.maximum(wax, disc))


def strawberry(skin: Skin) -> Paint:
    """Golden seeds, each in its own dimple, paler shoulders under the calyx."""
    dots = skin.dots(190, 0.22)
    ripe = smoothstep(-1.6, 1.2, skin.noise(3.0) + float(skin.rng.normal(0.4, 0.5)))
    colour = mix((0.84, 0.22, 0.12), (0.72, 0.05, 0.07), ripe)
    shoulder = smoothstep(0.75, 0.30, skin.along + 0.06 * skin.noise(6.0))
    colour = mix(colour, (0.93, 0.72, 0.52), 0.8 * shoulder)
    away = np.sqrt(dots.across**2 + (0.62 * dots.down) ** 2)  # seeds are longer than wide
    dimple = smoothstep(0.095, 0.02, away)
    seed = smoothstep(0.036, 0.020, away)
    colour = colour * (1.0 - 0.30 * dimple)[:, None]
    tint = mix((0.90, 0.72, 0.30), (0.72, 0.36, 0.14), dots.fate)
    colour = mix(colour, tint, 0.92 * seed)
    return Paint(colour, -0.045 * dimple + 0.022 * seed + 0.003 * skin.noise(8.0), 1.0 - 0.4 * dimple)
