"""The last step of every plot: labels beside lines, the mark, the layout."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from neurorec.figures._text import renderer_of
from neurorec.figures.style import TEXT_PT
from neurorec.figures.watermark import watermark

_OFFSET_PT = 3.0

#: Text, height in data units, colour.
Label = tuple[str, float, str]


def finish(
    figure: Figure,
    *,
    simulated: bool,
    beside: Mapping[Axes, Sequence[Label]] | None = None,
) -> Figure:
    """Write labels to the right of axes, none on another; mark; settle the layout; return it.

    Call it within the style: ticks that the layout asks for are made here, and take its settings.
    """
    labels = {axes: list(own) for axes, own in (beside or {}).items() if own}
    drawn = {axes: [_label(axes, *label) for label in own] for axes, own in labels.items()}
    if labels:
        cast(Any, figure.get_layout_engine()).execute(figure)  # how high will the axes be?
    for axes, own in labels.items():
        _move_apart(figure, axes, drawn[axes], [height for _, height, _ in own])
    if simulated:
        watermark(figure)
    figure.draw_without_rendering()
    return figure


def _label(axes: Axes, text: str, height: float, colour: str) -> Annotation:
    return axes.annotate(
        text,
        xy=(1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(_OFFSET_PT, 0.0),
        textcoords="offset points",
        va="center",
        ha="left",
        fontsize=TEXT_PT,
        color=colour,
        annotation_clip=False,
    )


def _move_apart(
    figure: Figure, axes: Axes, texts: Sequence[Annotation], heights: Sequence[float]
) -> None:
    renderer = renderer_of(figure)
    to_points = 72 / figure.dpi
    tall = max(text.get_window_extent(renderer).height for text in texts) * to_points
    wanted = [axes.transData.transform((0.0, height))[1] * to_points for height in heights]
    for text, before, after in zip(texts, wanted, spread(wanted, tall * 1.02), strict=True):
        text.set_position((_OFFSET_PT, after - before))


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved as little as keeps neighbours ``gap`` apart, order kept.

    Neighbours that are too close are pooled into a block about their mean, and blocks that then
    meet are pooled again.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[list[int]] = []
    centres: list[float] = []
    for index in order:
        blocks.append([index])
        centres.append(positions[index])
        while len(blocks) > 1:
            reach = gap * (len(blocks[-1]) + len(blocks[-2])) / 2
            if centres[-1] - centres[-2] >= reach - 1e-9:
                break
            last, _ = blocks.pop(), centres.pop()
            blocks[-1] += last
            centres[-1] = sum(positions[i] for i in blocks[-1]) / len(blocks[-1])
    moved = [0.0] * len(positions)
    for block, centre in zip(blocks, centres, strict=True):
        for rank, index in enumerate(block):
            moved[index] = centre + gap * (rank - (len(block) - 1) / 2)
    return moved
