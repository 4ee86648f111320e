"""Skins from warmer places: citrus, banana, kiwi, watermelon, pineapple."""

from __future__ import annotations

import numpy as np

from ingestion.samples.colours import BROWN, DARK_BROWN, Colour, mix
from ingestion.samples.skin import Paint, Skin
from ingestion.samples.vectors import Array, smoothstep


def citrus(skin: Skin, main: Colour, pale: Colour, pits: float, ends: Colour) -> Paint:
    """Oil glands as fine pits, uneven ripeness, a star of a stem scar."""
    pit = smoothstep(0.045, 0.0, skin.dots(1500, 0.35).away)
    ripe = smoothstep(-2.0, 2.2, skin.noise(3.5) + float(skin.rng.normal(0.0, 0.6)))
    colour = mix(pale, main, ripe) * (1.0 - 0.10 * pit + 0.02 * skin.noise(20.0))[:, None]
    colour = mix(colour, ends, 0.55 * smoothstep(0.5, 0.1, skin.along + 0.05 * skin.noise(8.0)))
    colour = mix(colour, (0.40, 0.42, 0.18), smoothstep(0.13, 0.08, skin.along))
    colour = mix(colour, BROWN, 0.8 * smoothstep(0.09, 0.05, np.pi - skin.along))
    return Paint(colour, -pits * pit + 0.010 * skin.noise(5.0), 1.0 - 0.35 * pit)


def banana(skin: Skin) -> Paint:
    """Yellow with darker edges, sugar spots, green toward the stem, brown at both tips."""
    ripeness = float(skin.rng.uniform(0.0, 1.0))
    green = smoothstep(1.2, 0.1, skin.along + 0.15 * skin.noise(4.0)) * (0.95 - 0.5 * ripeness)
    colour = mix((0.95, 0.79, 0.18), (0.66, 0.70, 0.22), green)
    colour = colour * (1.0 - 0.10 * smoothstep(0.93, 1.0, np.cos(5.0 * skin.around)))[:, None]
    dots = skin.dots(700, 0.5)
    wide = (0.010 + 0.034 * dots.fate**3) * smoothstep(0.9, 0.5, dots.fate - ripeness + 0.5)
    flecks = smoothstep(1.3, 0.6, dots.away / np.maximum(wide, 0.003) + 0.15 * skin.noise(30.0))
    bruise = 0.35 * smoothstep(1.7, 2.8, skin.noise(20.0)) * ripeness
    colour = mix(colour, (0.36, 0.22, 0.09), np.maximum(0.8 * flecks, bruise))
    tip = np.maximum(smoothstep(0.06, 0.02, skin.along), smoothstep(0.14, 0.06, np.pi - skin.along))
    return Paint(mix(colour, (0.22, 0.15, 0.09), 0.9 * tip), 0.004 * skin.noise(9.0))


def watermelon(skin: Skin) -> Paint:
    """Ragged dark stripes from stem to base on a pale marbled green."""
    ragged = skin.around + 0.16 * skin.noise(7.0) + 0.07 * skin.noise(18.0)
    stripes = np.cos(ragged * float(skin.rng.integers(9, 12))) + 0.22 * skin.streaks(9.0, 4.0)
    light = mix((0.50, 0.62, 0.30), (0.66, 0.73, 0.44), smoothstep(-1.2, 1.2, skin.noise(11.0)))
    colour = mix(light, (0.09, 0.22, 0.08), smoothstep(-0.25, 0.45, stripes))
    colour = mix(colour, (0.05, 0.14, 0.05), 0.6 * smoothstep(0.3, 1.4, stripes + 0.5 * skin.noise(15.0)))
    return Paint(mix(colour, BROWN, smoothstep(0.09, 0.05, np.pi - skin.along)), 0.004 * skin.noise(5.0))


def pineapple(skin: Skin) -> Paint:
    """Scales in spirals, each a raised eye with a dark seam and a dry tip."""
    eye = skin.dots(120, 0.04, upright=True)
    seam = smoothstep(0.075, 0.015, eye.border + 0.008 * skin.noise(20.0))
    green = smoothstep(0.0, 1.0, eye.fate + 0.2 * skin.noise(9.0))
    colour = mix((0.74, 0.50, 0.16), (0.50, 0.46, 0.18), green)
    colour = mix(colour, (0.62, 0.32, 0.12), 0.5 * smoothstep(0.04, 0.14, eye.down))
    colour = mix(colour, (0.20, 0.13, 0.07), 0.9 * seam)
    colour = mix(colour, (0.82, 0.72, 0.50), 0.8 * smoothstep(0.050, 0.012, eye.away))
    spike = smoothstep(0.030, 0.010, eye.across)
    spike = spike * smoothstep(-0.13, -0.10, eye.down) * smoothstep(0.02, -0.01, eye.down)
    colour = mix(colour, (0.34, 0.22, 0.11), 0.8 * spike)
    return Paint(colour, -0.09 * seam + 0.03 * smoothstep(0.06, 0.0, eye.away) + 0.005 * skin.noise(24.0))


def kiwi_half(skin: Skin) -> Paint:
    """The cut face, where the body is sliced at height 0; brown fuzz elsewhere."""
    fuzz, hair = _kiwi_fuzz(skin)
    face = smoothstep(-0.05, -0.01, skin.points[1])
    colour = mix(fuzz, _kiwi_flesh(skin), face)
    return Paint(colour, 0.006 * hair * (1.0 - face) + 0.003 * face * skin.noise(14.0), 1.0 + 1.2 * face)


def _kiwi_fuzz(skin: Skin) -> tuple[Array, Array]:
    """Colour (N, 3) and hairs (N,): short, they run from end to end over a mottled skin."""
    hair = skin.noise(100.0, lengthwise=2.5)
    tone = smoothstep(-2.4, 2.4, 0.5 * skin.noise(5.0) + hair + float(skin.rng.normal(0.0, 0.5)))
    colour = mix((0.40, 0.29, 0.16), (0.59, 0.47, 0.28), tone)
    ends = np.minimum(skin.along, np.pi - skin.along)
    return mix(colour, DARK_BROWN, 0.8 * smoothstep(0.17, 0.07, ends)), hair


def _kiwi_flesh(skin: Skin) -> Array:
    """Colour (N, 3): a pale core, black seeds in a ring, pale rays through green flesh."""
    x, _, z = skin.points
    around = np.arctan2(z, x)
    edge = np.sqrt(x**2 + z**2) * (1.0 + 0.03 * np.sin(2 * around + float(skin.rng.uniform(0, 6))))
    ray = 0.5 + 0.5 * np.cos(around * 34 + 2.0 * np.sin(3 * around))
    flesh = mix((0.52, 0.68, 0.14), (0.34, 0.54, 0.08), smoothstep(0.25, 0.95, edge + 0.06 * skin.noise(7.0)))
    shine = 0.5 * ray * smoothstep(0.26, 0.36, edge) * smoothstep(0.85, 0.45, edge)
    flesh = mix(flesh, (0.74, 0.82, 0.42), shine)
    flesh = mix(flesh, (0.89, 0.88, 0.66), smoothstep(0.32, 0.22, edge * (1 + 0.12 * ray)))
    flesh = mix(flesh, (0.07, 0.06, 0.05), smoothstep(0.028, 0.016, _nearest_seed(skin)))
    return mix(flesh, (0.80, 0.78, 0.48), 0.6 * smoothstep(0.93, 0.98, edge))


def _nearest_seed(skin: Skin) -> Array:
    """Distance (N,) to the nearest of 40 seeds, which point outward and are twice as long as wide."""
    number = np.arange(40)
    turn = (number + skin.rng.uniform(-0.3, 0.3, 40)) * 2 * np.pi / 40
    ring = 0.36 + 0.11 * (number % 3 / 2) + skin.rng.normal(0, 0.02, 40)
    heart = np.stack([ring * np.cos(turn), ring * np.sin(turn)]).astype(np.float32)
    dx, dz = skin.points[0][:, None] - heart[0], skin.points[2][:, None] - heart[1]
    out = dx * np.cos(turn).astype(np.float32) + dz * np.sin(turn).astype(np.float32)
    nearest: Array = np.sqrt(np.maximum(dx * dx + dz * dz - 0.75 * out * out, 0.0)).min(axis=1)
    return nearest
