"""The catalogue of fruits: for each its body, skin and finish, what grows on it, and how it may lie."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ingestion.samples.bodies import Bent, Body, Round
from ingestion.samples.colours import BROWN, DARK_BROWN, LEAF
from ingestion.samples.exotic_skins import banana, citrus, kiwi_half, pineapple, watermelon
from ingestion.samples.orchard_skins import apple, blueberry, peach, pear, smooth, strawberry
from ingestion.samples.skin import Paint, Skin
from ingestion.samples.sprigs import Sprig, crown, sepals, stem


class Finish(NamedTuple):
    """gloss: strength of the reflected softbox; rough: its blur; velvet: light caught by fuzz at the rim."""

    gloss: float
    rough: float
    velvet: float = 0.0


class Pose(NamedTuple):
    """How a fruit may lie before the camera.

    tilt, roll: ranges in degrees, see rotation(); swing: how far it may turn about its stem axis, in radians,
    less than pi where the view of an end says little.
    """

    tilt: tuple[float, float] = (-15.0, 45.0)
    roll: tuple[float, float] = (-28.0, 28.0)
    swing: float = np.pi


class Recipe(NamedTuple):
    """How to make one kind of fruit; sprigs takes the recipe's own kind of body."""

    body: Body
    skin: Callable[[Skin], Paint]
    finish: Finish
    pose: Pose = Pose()
    sprigs: Callable[[Any, np.random.Generator], list[Sprig]] | None = None


_APPLE = ((0.0, 0.40, -0.42), (np.pi, 0.34, -0.20), (0.85, 0.5, 0.06))
_BARREL = ((0.0, 0.4, -0.10), (np.pi, 0.4, -0.10), (0.9, 0.4, 0.05), (2.24, 0.4, 0.05))

RECIPES: dict[str, Recipe] = {
    "Apple Braeburn": Recipe(
        Round(0.93, _APPLE, lobes=(5, 0.035, 2.8)),
        partial(apple, ground=(0.82, 0.74, 0.34), blush=(0.72, 0.12, 0.10), share=0.92, streaky=0.80, lenticel=0.35),
        Finish(gloss=0.34, rough=0.30),
        sprigs=partial(stem, length=0.5, thick=0.035),
    ),
    "Apple Granny Smith": Recipe(
        Round(0.95, _APPLE, lobes=(5, 0.03, 2.8)),
        partial(apple, ground=(0.52, 0.68, 0.16), blush=(0.62, 0.66, 0.20), share=0.25, streaky=0.3, lenticel=0.75),
        Finish(gloss=0.38, rough=0.22),
        sprigs=partial(stem, length=0.45, thick=0.035),
    ),
    "Banana": Recipe(
        Bent(),
        banana,
        Finish(gloss=0.12, rough=0.45),
        Pose(tilt=(-25.0, 35.0), roll=(-40.0, 40.0), swing=0.45),
    ),
    "Blueberry": Recipe(
        Round(0.84, ((0.0, 0.30, -0.08),)),
        blueberry,
        Finish(gloss=0.16, rough=0.45),
        Pose(tilt=(15.0, 85.0), roll=(-60.0, 60.0)),
        crown,
    ),
    "Cherry": Recipe(
        Round(0.92, ((0.0, 0.38, -0.22), (0.7, 0.5, 0.05)), suture=0.035),
        partial(smooth, main=(0.52, 0.03, 0.07), other=(0.26, 0.01, 0.05), bloom=0.0, mottle=0.3, scar=DARK_BROWN),
        Finish(gloss=0.85, rough=0.06),
        Pose(tilt=(-5.0, 45.0)),
        partial(stem, length=1.5, thick=0.035, colours=(BROWN, LEAF, (0.45, 0.50, 0.20), BROWN)),
    ),
    "Kiwi Half": Recipe(
        Round(1.18, ((np.pi, 0.16, 0.05),), cut=0.0),
        kiwi_half,
        Finish(gloss=0.10, rough=0.25, velvet=0.05),
        Pose(tilt=(42.0, 78.0), roll=(-35.0, 35.0)),
    ),
    "Lemon": Recipe(
        Round(1.22, ((0.0, 0.20, 0.10), (np.pi, 0.24, 0.20))),
        partial(citrus, main=(0.96, 0.80, 0.12), pale=(0.90, 0.82, 0.30), pits=0.012, ends=(0.80, 0.78, 0.28)),
        Finish(gloss=0.26, rough=0.30),
        Pose(tilt=(-35.0, 35.0), roll=(-80.0, 80.0)),
    ),
    "Orange": Recipe(
        Round(0.96, ((0.0, 0.25, -0.04), (np.pi, 0.2, -0.02)), wobble=0.012),
        partial(citrus, main=(0.95, 0.50, 0.06), pale=(0.96, 0.60, 0.14), pits=0.011, ends=(0.92, 0.58, 0.16)),
        Finish(gloss=0.24, rough=0.32),
        Pose(tilt=(-30.0, 70.0)),
    ),
    "Peach": Recipe(
        Round(0.95, ((0.0, 0.36, -0.26), (np.pi, 0.22, 0.03)), suture=0.05),
        partial(peach, ground=(0.97, 0.75, 0.38), blush=(0.80, 0.26, 0.20), share=0.60),
        Finish(gloss=0.04, rough=0.6, velvet=0.26),
    ),
    "Pear Abate": Recipe(
        Round(1.02, ((0.0, 0.50, 0.95), (0.0, 0.14, -0.04), (np.pi, 0.25, -0.08)), wobble=0.025),
        pear,
        Finish(gloss=0.16, rough=0.40),
        Pose(tilt=(-20.0, 22.0)),
        partial(stem, length=0.42, thick=0.045),
    ),
    "Pêche Blanche": Recipe(
        Round(0.90, ((0.0, 0.36, -0.26), (np.pi, 0.22, 0.02)), suture=0.05),
        partial(peach, ground=(0.98, 0.90, 0.74), blush=(0.86, 0.36, 0.42), share=0.50),
        Finish(gloss=0.04, rough=0.6, velvet=0.26),
    ),
    "Pineapple": Recipe(
        Round(1.28, _BARREL, wobble=0.01),
        pineapple,
        Finish(gloss=0.10, rough=0.5),
        Pose(tilt=(-20.0, 20.0), roll=(-14.0, 14.0)),
    ),
    "Plum": Recipe(
        Round(1.10, ((0.0, 0.26, -0.10),), suture=0.035),
        partial(smooth, main=(0.25, 0.10, 0.26), other=(0.40, 0.10, 0.22), bloom=0.42, mottle=0.8, scar=BROWN),
        Finish(gloss=0.40, rough=0.25),
        Pose(roll=(-50.0, 50.0)),
        partial(stem, length=0.26, thick=0.035),
    ),
    "Strawberry": Recipe(
        Round(1.12, ((0.0, 0.55, -0.22), (np.pi, 0.50, 0.24), (0.95, 0.4, 0.04)), wobble=0.03),
        strawberry,
        Finish(gloss=0.50, rough=0.14),
        Pose(tilt=(-12.0, 34.0), roll=(-45.0, 45.0)),
        partial(sepals, count=11, reach=0.62, wide=0.085, curl=0.16, stalk=0.34),
    ),
    "Tomato": Recipe(
        Round(0.82, ((0.0, 0.36, -0.20), (np.pi, 0.3, -0.05)), lobes=(6, 0.05, 0.6)),
        partial(smooth, main=(0.82, 0.13, 0.06), other=(0.88, 0.26, 0.08), bloom=0.0, mottle=0.3, scar=BROWN),
        Finish(gloss=0.75, rough=0.09),
        Pose(tilt=(0.0, 55.0)),
        partial(sepals, count=5, reach=0.72, wide=0.042, curl=0.14, stalk=0.26),
    ),
    "Watermelon": Recipe(
        Round(1.12, ((0.0, 0.2, -0.03),), wobble=0.012),
        watermelon,
        Finish(gloss=0.24, rough=0.25),
        Pose(roll=(-75.0, 75.0)),
        partial(stem, length=0.16, thick=0.05, colours=(LEAF, BROWN)),
    ),
}
