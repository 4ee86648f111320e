"""The map of gold: photos at their first two components, one SVG path per label, and the data for its script.

A photo is drawn as a zero-length line with wide round caps, so dots keep their size when the map is resized.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from expectations.report.contents import Contents

_MARGIN = 5.0  # percent of the map
_NAME_HEIGHT, _NAME_WIDTH, _NAME_MOVES = 4.5, 24.0, 9.0  # percent of the map
_EDGE = 12.0  # percent of the map; smallest distance of a name from the left and right sides
_NAMED = 20  # labels; with more, the names would hide the photos


@dataclass
class Cloud:
    """The photos of one label. x, y: position of its name in percent; crowded: show the name only when picked."""

    index: int
    label: str
    path: str
    x: float
    y: float
    crowded: bool = False


def fruit_map(contents: Contents, labels: Sequence[str]) -> tuple[list[Cloud], dict[str, Any]]:
    """Draw the contents' points. A label's position in labels is its number, which also determines its colour.

    Returns the clouds, and the data for the script: labels, points [label, x, y, thumbnail or -1, short id], base64
    thumbnails.
    """
    points = contents.points
    numbers = {label: index for index, label in enumerate(labels)}
    places = list(zip(_spread([p.x for p in points]), _spread([-p.y for p in points]), strict=True))
    jpegs = {p.image_id: contents.thumbnails[p.image_id] for p in points if p.image_id in contents.thumbnails}
    thumbnail = {image_id: index for index, image_id in enumerate(jpegs)}
    data = {
        "labels": list(labels),
        "points": [
            [numbers[p.label], round(x, 2), round(y, 2), thumbnail.get(p.image_id, -1), p.image_id[:8]]
            for p, (x, y) in zip(points, places, strict=True)
        ],
        "thumbnails": [base64.b64encode(jpeg).decode() for jpeg in jpegs.values()],
    }
    by_label: dict[str, list[tuple[float, float]]] = {label: [] for label in labels}
    for point, place in zip(points, places, strict=True):
        by_label[point.label].append(place)
    clouds = [
        Cloud(
            numbers[label],
            label,
            "".join(f"M{x:.2f} {y:.2f}h0" for x, y in found),
            min(max(median(x for x, _ in found), _EDGE), 100 - _EDGE),
            median(y for _, y in found),
        )
        for label, found in by_label.items()
        if found
    ]
    _move_names_apart(clouds)
    return clouds, data


def _spread(numbers: list[float]) -> list[float]:
    """Positions in percent of the map; each axis is scaled to fill it."""
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if high <= low:
        return [50.0] * len(numbers)
    return [_MARGIN + (100 - 2 * _MARGIN) * (n - low) / (high - low) for n in numbers]


def _move_names_apart(clouds: Sequence[Cloud]) -> None:
    """Move names down where they overlap; a name that would have to move too far is marked crowded."""
    placed: list[Cloud] = []
    for cloud in sorted(clouds, key=lambda c: (c.y, c.index)):
        y = cloud.y
        for other in placed:  # from the top down
            if abs(other.x - cloud.x) < _NAME_WIDTH and abs(other.y - y) < _NAME_HEIGHT:
                y = other.y + _NAME_HEIGHT
        cloud.crowded = len(clouds) > _NAMED or y - cloud.y > _NAME_MOVES or y >= 100
        if not cloud.crowded:
            cloud.y = y
            placed = sorted([*placed, cloud], key=lambda c: c.y)
