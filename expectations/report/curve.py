"""Geometry of the explained-variance curve, in percent of the plot; the axis of components is logarithmic."""

import math
from typing import Any

from catalog.stored_pca import StoredPca

_STEP = 0.25  # percent of the width; components closer than this look the same


def curve(pca: StoredPca) -> dict[str, Any]:
    """Compute the curve of a PCA.

    path, area: SVG paths in a box of 100 by 100; k_x, k_y, target_y: percent from the left or from the top; x_ticks,
    y_ticks: the same and a text.
    """
    cumulative = pca.cumulative
    count = len(cumulative)
    points: list[tuple[float, float]] = []
    for component, share in enumerate(cumulative, 1):
        x = _across(component, count)
        if not points or x - points[-1][0] >= _STEP or component in (pca.k, count):
            points.append((x, _down(share)))
    line = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    ticks = [t for e in range(5) for t in (10**e, 3 * 10**e) if t <= count]
    return {
        "path": f"M{line}",
        "area": f"M{points[0][0]:.2f} 100L{line}L{points[-1][0]:.2f} 100Z",
        "k_x": _across(pca.k, count),
        "k_y": _down(pca.kept),
        "target_y": _down(pca.variance_target),
        "x_ticks": [(_across(t, count), f"{t:,}") for t in ticks],
        "y_ticks": [(_down(s / 100), f"{s} %") for s in (0, 25, 50, 75, 100)],
    }


def _across(component: int, count: int) -> float:
    return 100 * math.log(component, count) if count > 1 else 50.0


def _down(share: float) -> float:
    return 100 * (1 - min(max(share, 0.0), 1.0))
