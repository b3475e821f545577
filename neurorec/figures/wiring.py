"""The demo's wiring as a drawing: which connections and which noise each model has."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from neurorec.figures.style import FAINT, INK, MODELS, MUTED

#: Areas of the 2 x 2 design, in the order of the feedforward chain.
AREAS: Final = ("a1", "integration", "a2", "a3")
LATERAL: Final = ("a1", "a2", "a3")
FEEDBACK_SOURCE: Final = "a3"
FEEDBACK_TARGET: Final = "integration"

_WIDTHS: Final = {"image": 11.0, "a1": 14.0, "integration": 24.0, "a2": 14.0, "a3": 14.0}
_READOUT_WIDTH: Final = 17.0
_GAP: Final = 10.0
_HEIGHT: Final = 10.0
_FEEDBACK: Final = MODELS["fb"].colour
_NODE: Final = "#f3f4f6"


def draw_wiring(axes: Axes) -> None:
    """The labelled scheme: feedforward chain, lateral loops, feedback, dropout."""
    boxes = _boxes((*_WIDTHS, "readout"))
    _chain(axes, boxes, line_width=0.9, head=5.0)
    _image(axes, *boxes["image"])
    for name, (left, right) in boxes.items():
        if name != "image":
            _node(axes, left, right, name)
    _silenced(axes, *boxes["integration"])
    for name in LATERAL:
        _loop(axes, *boxes[name])
    _feedback(axes, boxes, present=True, line_width=1.3, head=6.0)
    source, target = _middle(boxes[FEEDBACK_SOURCE]), _middle(boxes[FEEDBACK_TARGET])
    axes.text((source + target) / 2, -19.0, "feedback", color=_FEEDBACK, ha="center", va="top")
    axes.text(_middle(boxes["a1"]), 15.2, "lateral", color=MUTED, ha="center", va="bottom")
    axes.text(target, 7.6, "dropout", color=MUTED, ha="center", va="bottom")
    axes.text(_middle(boxes["image"]), -7.6, "image", color=INK, ha="center", va="top")
    _frame(axes, boxes, low=-25.0, high=21.0)


def draw_small_wiring(axes: Axes, *, feedback: bool, dropout: bool, colour: str) -> None:
    """One model of the design in small: absent feedback is dashed, silenced units are crosses."""
    boxes = _boxes(AREAS)
    _chain(axes, boxes, line_width=0.7, head=3.5)
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
        _silenced(axes, *boxes["integration"], colour="white", n_columns=5)
    _feedback(axes, boxes, present=feedback, colour=colour, line_width=1.0, head=4.0)
    _frame(axes, boxes, low=-20.0, high=8.0)


def _boxes(order: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Left and right side of each node."""
    boxes, left = {}, 0.0
    for name in order:
        right = left + _WIDTHS.get(name, _READOUT_WIDTH)
        boxes[name] = (left, right)
        left = right + _GAP
    return boxes


def _middle(box: tuple[float, float]) -> float:
    return (box[0] + box[1]) / 2


def _chain(axes: Axes, boxes: dict[str, tuple[float, float]], *, line_width: float, head: float):
    for before, after in zip(list(boxes.values())[:-1], list(boxes.values())[1:], strict=True):
        axes.add_patch(
            FancyArrowPatch(
                (before[1] + 0.5, 0.0),
                (after[0] - 0.5, 0.0),
                arrowstyle="-|>",
                mutation_scale=head,
                linewidth=line_width,
                color=INK,
                shrinkA=0,
                shrinkB=0,
            )
        )


def _node(axes: Axes, left: float, right: float, name: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, -_HEIGHT / 2),
            right - left,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=2.0",
            facecolor=_NODE,
            edgecolor=INK,
            linewidth=0.6,
        )
    )
    # The integration area's units are drawn in its lower half.
    height = 1.9 if name == "integration" else 0.0
    axes.text((left + right) / 2, height, name, ha="center", va="center", color=INK)


def _image(axes: Axes, left: float, right: float) -> None:
    """A small picture: a bright disc on a ground of two tones."""
    side = right - left
    low = -side / 2
    axes.add_patch(Rectangle((left, low), side, side, facecolor="#9db4c8", edgecolor="none"))
    axes.add_patch(Rectangle((left, low), side, side * 0.36, facecolor="#6f8f72", edgecolor="none"))
    axes.add_patch(Circle((left + side * 0.62, low + side * 0.64), side * 0.17, color="#f6e7b4"))
    axes.add_patch(
        Rectangle((left, low), side, side, facecolor="none", edgecolor=INK, linewidth=0.6)
    )


def _silenced(
    axes: Axes, left: float, right: float, *, colour: str = MUTED, n_columns: int = 9
) -> None:
    """A row of units of which every third is silenced."""
    height = -2.2 if colour == MUTED else 0.0
    x = np.linspace(left + 3.0, right - 3.0, n_columns)
    silent = np.arange(n_columns) % 3 == 1
    size = 2.6 if colour == MUTED else 2.2
    y = np.full(n_columns, height)
    axes.plot(x[~silent], y[~silent], linestyle="none", marker="o", color=colour, markersize=size)
    axes.plot(
        x[silent],
        y[silent],
        linestyle="none",
        marker="x",
        color=colour,
        markersize=size + 0.4,
        markeredgewidth=0.7,
    )


def _loop(axes: Axes, left: float, right: float) -> None:
    """A connection from an area to itself, above it."""
    middle, reach = (left + right) / 2, 3.6
    axes.add_patch(
        FancyArrowPatch(
            (middle - reach, _HEIGHT / 2 + 0.4),
            (middle + reach, _HEIGHT / 2 + 0.4),
            connectionstyle="arc3,rad=-1.5",
            arrowstyle="-|>",
            mutation_scale=4.5,
            linewidth=0.8,
            color=MUTED,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _feedback(
    axes: Axes,
    boxes: dict[str, tuple[float, float]],
    *,
    present: bool,
    line_width: float,
    head: float,
    colour: str = _FEEDBACK,
) -> None:
    """The arc below the chain; pale and dashed where the model lacks it."""
    axes.add_patch(
        FancyArrowPatch(
            (_middle(boxes[FEEDBACK_SOURCE]), -_HEIGHT / 2 - 0.6),
            (_middle(boxes[FEEDBACK_TARGET]), -_HEIGHT / 2 - 0.6),
            connectionstyle="arc3,rad=-0.3",
            arrowstyle="-|>",
            mutation_scale=head,
            linewidth=line_width if present else 0.7,
            linestyle="-" if present else (0.0, (2.5, 2.0)),
            color=colour if present else FAINT,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _frame(axes: Axes, boxes: dict[str, tuple[float, float]], *, low: float, high: float) -> None:
    axes.set_xlim(-1.0, list(boxes.values())[-1][1] + 1.0)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_axis_off()
