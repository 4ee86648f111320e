"""A colour for every label: hue, saturation and a step of lightness, as CSS variables; the style sheet does the rest.

Up to twelve labels share the colour circle evenly. With more, colours of one hue differ in depth, and
neighbours in the alphabet (often varieties of one fruit) are far apart.
"""

from __future__ import annotations

_FEW = 12
_GOLDEN_ANGLE = 137.508  # degrees; any number of steps of it stays spread over the circle
_START = 20.0  # degrees: red, as fruit should be
_DEPTHS = ((0.0, 1.0), (-0.12, 0.9), (0.1, 0.75))  # added to the lightness, times the chroma


def styles(count: int) -> list[str]:
    """`--h:…;--l:…;--c:…` for each of so many labels."""
    found = []
    for index in range(count):
        if count <= _FEW:
            hue, depth = _START + 360 * index / count, 0
        else:
            hue, depth = _START + _GOLDEN_ANGLE * index, index % len(_DEPTHS)
        lighter, purer = _DEPTHS[depth]
        found.append(f"--h:{hue % 360:.0f};--l:{lighter:g};--c:{purer:g}")
    return found
