"""Stems, sepals and crowns: tapered tubes that grow out of a round body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingestion.samples.bodies import Round
from ingestion.samples.colours import BROWN, DARK_BROWN, DARK_LEAF, LEAF, Colour
from ingestion.samples.vectors import Array


@dataclass(frozen=True)
class Sprig:
    """A tapered tube through object-space centres (M, 3), with radii (M,) and colours (M, 3)."""

    centres: Array
    radii: Array
    colours: Array


def _twig(path: Sequence[Array], radii: Sequence[float], colours: Sequence[Colour], beads: int) -> Sprig:
    """A sprig along the Bezier curve of the control points `path`; radii and colours blend on the way."""
    t = np.linspace(0.0, 1.0, beads)
    curve = np.repeat(np.stack(path)[:, None], beads, axis=1)  # (control points, beads, 3)
    while len(curve) > 1:  # de Casteljau: blend neighbours until one curve is left
        curve = curve[:-1] + (curve[1:] - curve[:-1]) * t[:, None]
    radius = np.interp(t, np.linspace(0, 1, len(radii)), radii)
    knots = np.linspace(0, 1, len(colours))
    tones = np.stack([np.interp(t, knots, channel) for channel in zip(*colours, strict=True)], axis=1)
    return Sprig(curve[0], radius, tones)


def stem(
    body: Round,
    rng: np.random.Generator,
    length: float,
    thick: float,
    colours: Sequence[Colour] = (BROWN, DARK_BROWN),
    sink: float = 0.06,
) -> list[Sprig]:
    """One stem out of the stem pole, leaning and bending at random; lengths in units."""
    root = body.at(0.0, 0.0, -sink)
    lean = rng.normal(0.0, 0.16 * length, 2)
    top = root + np.array([lean[0], length * rng.uniform(0.8, 1.15), lean[1]])
    middle = (root + top) / 2 + np.array([-0.5 * lean[0], 0.1 * length, 0.3 * lean[1]])
    return [_twig([root, middle, top], (1.25 * thick, thick, 0.9 * thick, 1.35 * thick), colours, beads=12)]


def sepals(
    body: Round, rng: np.random.Generator, count: int, reach: float, wide: float, curl: float, stalk: float
) -> list[Sprig]:
    """`count` sepals on the shoulder, `reach` radians long, tips lifted by `curl` units; a stem, `stalk` long."""
    sprigs = []
    for number in range(count):
        around = 2 * np.pi * number / count + rng.normal(0.0, 0.12)
        far = reach * rng.uniform(0.75, 1.2)
        lift = curl * rng.uniform(0.2, 1.5)
        profile = ((0.06, 0.02), (0.4 * far, 0.01), (0.8 * far, 0.03), (far, lift))
        path = [body.at(along, around + 0.1 * along * rng.normal(), height) for along, height in profile]
        shade = float(rng.uniform(0.85, 1.12))
        tones: list[Colour] = [(shade * r, shade * g, shade * b) for r, g, b in (DARK_LEAF, LEAF, LEAF)]
        sprigs.append(_twig(path, (0.6 * wide, wide, 0.75 * wide, 0.1 * wide), tones, beads=9))
    return sprigs + stem(body, rng, stalk, 0.045, (LEAF, DARK_LEAF), sink=0.0)


def crown(body: Round, rng: np.random.Generator) -> list[Sprig]:
    """The five-pointed rim that a blueberry keeps from its flower."""
    tone: Colour = (0.27, 0.26, 0.36)
    sprigs = []
    for number in range(10):
        around = np.pi * number / 5 + rng.normal(0.0, 0.06)
        high = 0.07 if number % 2 else 0.0
        left, right = body.at(0.30, around - 0.32, 0.01), body.at(0.30, around + 0.32, 0.01)
        tip = body.at(0.37, around, 0.04 + high)
        sprigs.append(_twig([left, tip, right], (0.04, 0.045, 0.04), (tone, tone), beads=5))
    return sprigs
