"""Texts around the axes: the legend above, the note below, labels beside lines."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from neurorec.figures.style import MUTED, NOTE_PT, TITLE_PT, ModelStyle

_GAP_PT = 3.0
_NO_BREAK = "\N{NO-BREAK SPACE}"


def renderer_of(figure: Figure) -> Any:
    return cast(FigureCanvasAgg, figure.canvas).get_renderer()


def _reserve(figure: Figure, *, top_pt: float = 0.0, bottom_pt: float = 0.0) -> None:
    """Keep the axes out of a further strip at the top or the bottom of ``figure``."""
    engine = cast(Any, figure.get_layout_engine())
    left, bottom, width, height = engine.get()["rect"]
    total = figure.get_figheight() * 72
    bottom += bottom_pt / total
    engine.set(rect=(left, bottom, width, height - (top_pt + bottom_pt) / total))


def handle(style: ModelStyle) -> Line2D:
    """What stands for a model in a legend."""
    return Line2D(
        [0],
        [0],
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markeredgecolor="white",
        markeredgewidth=0.3,
        markersize=3.4,
        linewidth=1.3,
        label=style.label,
    )


def legend_above(
    figure: Figure, styles: Mapping[str, ModelStyle], *, more: Sequence[Line2D] = ()
) -> None:
    """One legend for all panels, in a strip above them, in as few rows as its width allows.

    ``more`` are handles of what is not drawn in the style of a model.
    """
    handles = [*(handle(style) for style in styles.values()), *more]
    width = figure.bbox.width
    for n_columns in range(len(handles), 0, -1):
        legend = figure.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.995), ncols=n_columns
        )
        box = legend.get_window_extent(renderer_of(figure))
        if box.width <= width * 0.98 or n_columns == 1:
            break
        legend.remove()
    legend.set_in_layout(False)
    _reserve(figure, top_pt=box.height * 72 / figure.dpi + _GAP_PT)


def note_below(figure: Figure, text: str) -> None:
    """Small print under the panels: what was compared, n, intervals; broken to the width."""
    if not text:
        return
    drawn = figure.text(
        0.006, 0.006, "", fontsize=NOTE_PT, color=MUTED, ha="left", va="bottom", linespacing=1.3
    )
    width = figure.bbox.width * 0.97
    lines = [line for part in text.split("\n") for line in _wrapped(drawn, part, width)]
    drawn.set_text("\n".join(lines))
    drawn.set_in_layout(False)
    height = drawn.get_window_extent(renderer_of(figure)).height * 72 / figure.dpi
    _reserve(figure, bottom_pt=height + _GAP_PT)


def _wrapped(drawn: Text, text: str, width_px: float) -> list[str]:
    """Lines of at most ``width_px``, measured with the type they will be set in."""
    figure = cast(Figure, drawn.get_figure())
    for bound in (" %", " × ", " = "):  # stay on one line with what they belong to
        text = text.replace(bound, bound.replace(" ", _NO_BREAK))
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        drawn.set_text(longer)
        if lines[-1] and drawn.get_window_extent(renderer_of(figure)).width > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def panel_letter(axes: Axes, letter: str, *, x_pt: float = -24.0, y_pt: float = 4.0) -> None:
    """Bold letter above the left end of ``axes``."""
    axes.annotate(
        letter,
        xy=(0.0, 1.0),
        xycoords="axes fraction",
        xytext=(x_pt, y_pt),
        textcoords="offset points",
        fontsize=TITLE_PT + 1,
        fontweight="bold",
        ha="left",
        va="baseline",
        annotation_clip=False,
    )
