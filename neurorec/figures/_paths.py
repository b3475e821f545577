"""Ways of lines in a drawing, in mm."""

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.path import Path

Point = tuple[float, float]

_CORNER: Final = 1.4  # radius


def straight(start: Point, stop: Point) -> Path:
    """From a point to another."""
    return Path([start, stop], [Path.MOVETO, Path.LINETO])


def curved(start: Point, stop: Point) -> Path:
    """From a point to another, level at both ends."""
    middle = (start[0] + stop[0]) / 2
    points = [start, (middle, start[1]), (middle, stop[1]), stop]
    return Path(points, [Path.MOVETO, *[Path.CURVE4] * 3])


def looped(foot: Point, reach: float, height: float) -> Path:
    """Up beside ``foot`` and down again on its other side; down first with a negative height."""
    x, y = foot
    top = y + height / 0.75  # a cubic curve reaches three quarters of the way to its controls
    points = [(x - reach, y), (x - 1.7 * reach, top), (x + 1.7 * reach, top), (x + reach, y)]
    return Path(points, [Path.MOVETO, *[Path.CURVE4] * 3])


def bent(corners: Sequence[Point]) -> Path:
    """Along ``corners``, which are rounded."""
    points, codes = [corners[0]], [Path.MOVETO]
    for before, corner, after in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
        radius = min(_CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        points += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*points, corners[-1]], [*codes, Path.LINETO])


def _towards(start: Point, stop: Point, length: float) -> Point:
    distance = math.dist(start, stop)
    part = length / distance if distance else 0.0
    return start[0] + part * (stop[0] - start[0]), start[1] + part * (stop[1] - start[1])
