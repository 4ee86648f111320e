"""Shapes, in object space: x right, y up, z toward the camera; about a unit in radius, the stem at +y."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from ingestion.samples.vectors import Array, smoothstep, unit


class Body(Protocol):
    """A closed surface, given by a field: negative inside, positive outside, near it about the distance."""

    def varied(self, rng: np.random.Generator) -> Self:
        """Another individual of the same kind."""

    def field(self, points: Array) -> Array:
        """The field (N,) at object-space `points` (3, N)."""

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """Surface coordinates, each (N,): along the body (0 at the stem, pi at the far end) and around it."""

    def outline(self) -> Array:
        """Points (3, M) on the surface, enough to frame the photo."""


@dataclass(frozen=True)
class Round:
    """A star-shaped body: an ellipsoid whose radius swells and dips with the angle from the stem.

    aspect: height over width; bumps: (angle from the stem, width, relative height), angles in radians;
    lobes: (how many, relative depth, angle where they are strongest); suture: relative depth of one groove
    from stem to base; cut: height at which the top is sliced off, None for a whole fruit; wobble: relative
    size of the individual's own irregularity; flat: depth over width; phases: where lobes and irregularity
    fall, in radians.
    """

    aspect: float
    bumps: tuple[tuple[float, float, float], ...]
    lobes: tuple[int, float, float] | None = None
    suture: float = 0.0
    cut: float | None = None
    wobble: float = 0.02
    flat: float = 1.0
    phases: tuple[float, ...] = (0.0, 1.0, 2.0)

    def varied(self, rng: np.random.Generator) -> Self:
        """Another individual: other proportions, other bumps, other irregularity."""
        return replace(
            self,
            aspect=self.aspect * float(rng.uniform(0.94, 1.06)),
            flat=float(rng.uniform(0.94, 1.04)),
            bumps=tuple(
                (angle, width * float(rng.uniform(0.9, 1.1)), height * float(rng.uniform(0.8, 1.2)))
                for angle, width, height in self.bumps
            ),
            phases=tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, 3)),
        )

    @functools.cached_property
    def _profile(self) -> Array:
        """Radius (514,) at angles 0 to pi from the stem; a spare entry lets the last interval interpolate."""
        angle = np.linspace(0.0, np.pi, 513)
        radius = 1.0 / np.sqrt(np.sin(angle) ** 2 + (np.cos(angle) / self.aspect) ** 2)
        for centre, width, height in self.bumps:
            radius *= 1.0 + height * np.exp(-(((angle - centre) / width) ** 2))
        return np.append(radius, radius[-1]).astype(np.float32)

    def _radius(self, along: Array, direction: Array) -> Array:
        """Radius (N,) in the directions (3, N), whose angle from the stem is `along` (N,)."""
        place = along * np.float32(512 / np.pi)
        whole = np.floor(place)
        index = whole.astype(np.int32)
        left = self._profile[index]
        radius: Array = left + (self._profile[index + 1] - left) * (place - whole)
        x, y, z = direction
        a, b, c = self.phases
        swell = np.sin(2.6 * x + a) + np.sin(2.6 * z + b) + np.sin(2.2 * (y + x) + c)
        radius = radius * (1.0 + self.wobble * swell)
        if self.lobes:
            count, depth, centre = self.lobes
            strength = np.exp(-(((along - centre) / 0.9) ** 2)) * np.minimum(1.0, 2.0 * np.hypot(x, z))
            lobe = np.sqrt(np.cos(np.arctan2(z, x) * (count / 2) + a) ** 2 + 0.03)  # 0.03 rounds the valleys
            radius = radius * (1.0 + depth * (strength * lobe - 0.6))
        if self.suture:
            around = np.arctan2(z, x)
            groove = np.exp(-((around / 0.16) ** 2)) + 0.8 * np.exp(-((around / 0.7) ** 2))
            radius = radius * (1.0 - self.suture * groove * np.sqrt(np.maximum(1.0 - y * y, 0.0)))
        return radius

    def field(self, points: Array) -> Array:
        """See Body."""
        x, y, z = points
        stretched = np.stack([x, y, z / self.flat])
        length = np.sqrt((stretched * stretched).sum(axis=0)) + 1e-6
        direction = stretched / length
        along = np.arccos(np.clip(direction[1], -1.0, 1.0))
        value: Array = length - self._radius(along, direction)
        return value if self.cut is None else np.maximum(value, y - self.cut)

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """See Body."""
        direction = unit(points)
        return np.arccos(np.clip(direction[1], -1.0, 1.0)), np.arctan2(direction[2], direction[0])

    def outline(self) -> Array:
        """See Body."""
        grid = np.meshgrid(np.linspace(0, np.pi, 25), np.linspace(-np.pi, np.pi, 24, endpoint=False))
        along, around = (angles.ravel() for angles in grid)
        x, y, z = self._surface(along, around)
        return np.stack([x, y if self.cut is None else np.minimum(y, self.cut), z])

    def at(self, along: float, around: float, lift: float = 0.0) -> Array:
        """The surface point (3,) at an angle from the stem and about it, `lift` units above the skin."""
        return self._surface(np.array([along]), np.array([around]), lift)[:, 0]

    def _surface(self, along: Array, around: Array, lift: float = 0.0) -> Array:
        """Points (3, N) at angles from the stem and about it, `lift` units above the skin."""
        ring = np.sin(along)
        direction = np.stack([ring * np.cos(around), np.cos(along), ring * np.sin(around)])
        x, y, z = direction * (self._radius(along, direction) + lift)
        return np.stack([x, y, z * self.flat])


@dataclass(frozen=True)
class Bent:
    """A banana: a tapered, five-sided tube, `girth` wide, on an arc of radius `bend`, +-`reach` radians."""

    bend: float = 1.35
    reach: float = 0.78
    girth: float = 0.27

    def varied(self, rng: np.random.Generator) -> Self:
        """Another individual: more or less bent, long and stout."""
        bend, reach, girth = (float(share) for share in rng.uniform(0.92, 1.09, 3))
        return replace(self, bend=self.bend * bend, reach=self.reach * reach, girth=self.girth * girth)

    def _girth(self, place: Array, around: Array) -> Array:
        """Tube radius at `place` -1 (blossom end) to 1 (stem end); the stem is the thin last eighth."""
        body = smoothstep(-1.04, -0.62, place) * smoothstep(0.93, 0.42, place)
        neck = 0.17 + 0.05 * smoothstep(0.93, 1.0, place) + 0.04 * smoothstep(-0.95, -1.0, place)
        sides = 1.0 + 0.05 * np.cos(5.0 * around) * body
        radius: Array = self.girth * (neck + (0.98 - neck) * np.sqrt(body)) * sides
        return radius

    def _split(self, points: Array) -> tuple[Array, Array, Array]:
        """Place along the arc clipped to [-1, 1], angle about it, and distance from it; each (N,)."""
        x, y, z = points
        up = self.bend - (y + 0.35)
        angle = np.clip(np.arctan2(x, up), -self.reach, self.reach)
        dx, dy = x - self.bend * np.sin(angle), up - self.bend * np.cos(angle)
        outward = dx * np.sin(angle) + dy * np.cos(angle)
        distance = np.sqrt(dx * dx + dy * dy + z * z)
        return angle / self.reach, np.arctan2(z, outward), distance

    def field(self, points: Array) -> Array:
        """See Body."""
        place, around, distance = self._split(points)
        return distance - self._girth(place, around)

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """See Body."""
        place, around, _ = self._split(points)
        return (1.0 - place) * (np.pi / 2), around

    def outline(self) -> Array:
        """See Body."""
        grid = np.meshgrid(np.linspace(-1, 1, 31), np.linspace(-np.pi, np.pi, 12))
        place, around = (values.ravel() for values in grid)
        angle, radius = place * self.reach, self._girth(place, around)
        out = self.bend + radius * np.cos(around)
        height = self.bend - 0.35 - out * np.cos(angle)
        return np.stack([out * np.sin(angle), height, radius * np.sin(around)])
