"""Choose a colour for every label: hue, lightness and chroma as CSS variables, which the style sheet uses.

Up to twelve labels are spaced evenly on the colour circle. With more, similar hues differ in lightness and chroma,
and alphabetical neighbours (often varieties of the same fruit) are far apart.
"""

from __future__ import annotations

_FEW = 12
_GOLDEN_ANGLE = 137.508  # degrees; any number of steps are spread over the whole circle
_START = 20.0  # degrees; red
_DEPTHS = ((0.0, 1.0), (-0.12, 0.9), (0.1, 0.75))  # added to the lightness, times the chroma


def styles(count: int) -> list[str]:
    """CSS variables `--h:…;--l:…;--c:…` for this many labels."""
    found = []
    for index in range(count):
        if count <= _FEW:
            hue, depth = _START + 360 * index / count, 0
        else:
            hue, depth = _START + _GOLDEN_ANGLE * index, index % len(_DEPTHS)
        lighter, purer = _DEPTHS[depth]
        found.append(f"--h:{hue % 360:.0f};--l:{lighter:g};--c:{purer:g}")
    return found
