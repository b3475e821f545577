"""A wiring as a drawing: what is connected with what, how fast, and where noise acts."""

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurorec.figures._finish import finish
from neurorec.figures._ink import LEGEND_ROW, Rows, draw, draw_legend, in_rows
from neurorec.figures._parts import IMAGE, Layout
from neurorec.figures.style import DOUBLE_COLUMN_MM, journal_style, new_figure

if TYPE_CHECKING:
    from neurorec.models import Wiring

_MARGIN: Final = 2.0
_ABOVE_LEGEND: Final = 2.0


def wiring(model: Any, *, width_mm: float = DOUBLE_COLUMN_MM) -> Figure:
    """A model's areas from the image to the readout, and the connections between them.

    Boxes are higher for larger maps and, where there is room, wider for more channels. Connections
    that climb past an area run above the areas, those that descend below them; a number on a line
    is a delay that the legend does not tell. Stages and streams of one region share a frame.

    Parameters
    ----------
    model
        A wiring or a network.
    width_mm
        Of the figure, which is wider if that cannot hold all areas with names of 6 points.

    Raises
    ------
    ValueError
        If ``model`` is no wiring and has none.
    """
    with journal_style():
        layout, rows = _laid_out(model, width_mm - 2 * _MARGIN, sizes=True)
        width = max(width_mm, layout.right - layout.left + 2 * _MARGIN)
        below = _ABOVE_LEGEND + LEGEND_ROW * len(rows)
        figure = new_figure(width, layout.top - layout.bottom + below + 2 * _MARGIN)
        figure.get_layout_engine().set(w_pad=0.0, h_pad=0.0)  # type: ignore[union-attr]
        _fill(figure.subplots(), layout, rows, width=width, margin=_MARGIN)
        return finish(figure, simulated=False)


def wiring_table(model: Any) -> pd.DataFrame:
    """What :func:`wiring` draws: a row for each connection, with the maps at its ends."""
    drawn = _wiring_of(model)
    shapes = {IMAGE: (drawn.input_channels, *[drawn.input_size] * 2), **drawn.shapes()}
    told = ("source", "target", "kind", "delay", "role", "silenced")
    rows = []
    for connection in drawn.connections:
        row: dict[str, Any] = {name: getattr(connection, name) for name in told}
        row["operator"] = drawn.operator(connection).kind
        for end in ("source", "target"):
            names = (f"{end}_{axis}" for axis in ("channels", "height", "width"))
            row |= dict(zip(names, shapes[getattr(connection, end)], strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def draw_wiring(axes: Axes, model: Any, *, width_mm: float) -> None:
    """The drawing without sizes, and its legend, in ``axes`` of a width of ``width_mm``."""
    margin = 0.5
    layout, rows = _laid_out(model, width_mm - 2 * margin, sizes=False)
    _fill(axes, layout, rows, width=width_mm, margin=margin)
    axes.set_aspect("equal")


def _wiring_of(model: Any) -> "Wiring":
    from neurorec.models import Wiring

    found = getattr(model, "wiring", model)
    if not isinstance(found, Wiring):
        raise ValueError(
            f"a drawing needs a wiring or a network that has one, got {type(model).__name__}; "
            "neurorec.models.wiring(name) gives that of a preset or file"
        )
    return found


def _laid_out(model: Any, width: float, *, sizes: bool) -> tuple[Layout, Rows]:
    """All places of the drawing, and the rows of its legend."""
    # The models' room imports torch, which no other figure needs.
    from neurorec.figures._layout import planned
    from neurorec.figures._sketch import sketched

    sketch = sketched(_wiring_of(model), sizes=sizes)
    layout = planned(sketch.attempts, sketch.edges, sketch.regions, width)
    return layout, in_rows(sketch.legend, max(width, layout.right - layout.left))


def _fill(axes: Axes, layout: Layout, rows: Rows, *, width: float, margin: float) -> None:
    """Draw all of it, the legend below, and set the limits of ``axes``."""
    middle, top = (layout.left + layout.right) / 2, layout.bottom - _ABOVE_LEGEND
    draw(axes, layout)
    draw_legend(axes, rows, (middle, top))
    axes.set_xlim(middle - width / 2, middle + width / 2)
    axes.set_ylim(top - LEGEND_ROW * len(rows) - margin, layout.top + margin)
    axes.set_axis_off()
