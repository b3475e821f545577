"""The demo's models in small: which have feedback, and which have dropout."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from neurorec.figures.style import FAINT, INK

#: Widths of the areas, in the order of the feedforward chain.
_AREAS: Final = {"a1": 14.0, "integration": 24.0, "a2": 14.0, "a3": 14.0}
_SOURCE: Final = "a3"
_TARGET: Final = "integration"
_GAP: Final = 10.0
_HEIGHT: Final = 10.0

Side = tuple[float, float]
Point = tuple[float, float]


def draw_small_wiring(axes: Axes, *, feedback: bool, dropout: bool, colour: str) -> None:
    """One model of the design: absent feedback is dashed, silenced units are crosses."""
    boxes = _boxes()
    for before, after in pairwise(boxes.values()):
        start, stop = (before[1] + 0.5, 0.0), (after[0] - 0.5, 0.0)
        axes.add_patch(_arrow(start, stop, "arc3", colour=INK, line_width=0.7, head=3.5))
    for left, right in boxes.values():
        axes.add_patch(
            FancyBboxPatch(
                (left, -_HEIGHT / 2),
                right - left,
                _HEIGHT,
                boxstyle="round,pad=0,rounding_size=2.5",
                facecolor=colour,
                edgecolor="none",
            )
        )
    if dropout:
        _silenced(axes, boxes[_TARGET])
    ends = [((left + right) / 2, -_HEIGHT / 2 - 0.6) for left, right in boxes.values()]
    source, target = (ends[list(boxes).index(name)] for name in (_SOURCE, _TARGET))
    arc = _arrow(source, target, "arc3,rad=-0.3", colour=colour, line_width=1.0, head=4.0)
    if not feedback:
        arc.set(color=FAINT, linewidth=0.7, linestyle=(0.0, (2.5, 2.0)))
    axes.add_patch(arc)
    axes.set_xlim(-1.0, max(right for _, right in boxes.values()) + 1.0)
    axes.set_ylim(-20.0, 8.0)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _boxes() -> dict[str, Side]:
    """Left and right side of each area."""
    boxes, left = {}, 0.0
    for name, width in _AREAS.items():
        boxes[name] = (left, left + width)
        left += width + _GAP
    return boxes


def _arrow(
    start: Point,
    stop: Point,
    way: str,
    *,
    colour: str,
    line_width: float,
    head: float,
) -> FancyArrowPatch:
    return FancyArrowPatch(
        start,
        stop,
        connectionstyle=way,
        arrowstyle="-|>",
        mutation_scale=head,
        linewidth=line_width,
        color=colour,
        shrinkA=0,
        shrinkB=0,
    )


def _silenced(axes: Axes, box: Side) -> None:
    """A row of units of which every third is silenced."""
    x = np.linspace(box[0] + 3.0, box[1] - 3.0, 5)
    silent = np.arange(len(x)) % 3 == 1
    common: dict[str, Any] = {"linestyle": "none", "color": "white"}
    axes.plot(x[~silent], np.zeros((~silent).sum()), marker="o", markersize=2.2, **common)
    zeros = np.zeros(silent.sum())
    axes.plot(x[silent], zeros, marker="x", markersize=2.6, markeredgewidth=0.7, **common)
