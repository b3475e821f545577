"""How well each area of a model, at each timestep, does on a benchmark."""

from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurorec._checks import check_option
from neurorec.figures._axes import SIMILARITY_MAP, colour_bar, timestep_label
from neurorec.figures._finish import finish
from neurorec.figures._results import (
    finite_range,
    is_simulated,
    names,
    plain_list,
    require,
    sentence,
)
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    FAINT,
    INK,
    SINGLE_COLUMN_MM,
    journal_style,
    new_figure,
)

#: What the colour bar says of each quantity.
QUANTITIES: Final = {"score": "score, over the ceiling", "raw": "raw score"}
_CELLS: Final = ("area", "timestep")
_BIN: Final = "time_bin"
_BIN_LIMITS: Final = ("time_bin_start", "time_bin_end")
_MOST_COLUMNS: Final = 4
_AREA_MM: Final = 6.0
_MATRIX_MM: Final = (20.0, 44.0)  # at least and at most
_LEAST: Final = 0.01  # of the colours' range: nothing is drawn large that is nothing
_BEST: Final = "best, on these scores"
_NOTE: Final = ("{benchmark}", "{metric}")


def layer_scores(
    scores: xr.Dataset, *, quantity: str = "score", note: bool = True, simulated: bool = False
) -> Figure:
    """Matrix of areas and timesteps, the best cell marked; one for each time bin of the responses.

    Parameters
    ----------
    scores
        Result of ``brainscore.layer_scores``: ``score`` or ``raw`` along ``area``,
        ``timestep`` and, where there are several, ``time_bin``.
    quantity
        Which is drawn.
    note
        Write below what was scored, and what the mark is.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Notes
    -----
    Areas are in the order of the result, the first at the bottom. Colours begin at 0; what lies
    below has the colour of 0. The attributes ``benchmark``, ``metric`` and ``dt_ms`` are used where
    present.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, or everything is NaN.
    """
    values, titles = _checked(scores, quantity)
    n_bins, n_areas, _ = values.shape
    n_columns = min(n_bins, _MOST_COLUMNS)
    low, high = finite_range(values)
    with journal_style():
        figure = new_figure(*_size_mm(n_areas, -(-n_bins // n_columns), n_columns))
        legend_above(figure, {}, more=[_handle()])
        if note:
            note_below(figure, _note(scores))
        panels = _panels(figure, n_bins, n_columns)
        for axes, one, title in zip(panels, values, titles, strict=True):
            _draw(axes, one, scores["timestep"].values, high=max(high, _LEAST))
            axes.set_title(title)
        _label(panels, scores, n_columns)
        below = "min" if low < 0 else "neither"
        colour_bar(panels[-1].collections[0], panels, QUANTITIES[quantity], extend=below)
        return finish(figure, simulated=is_simulated(scores, asked=simulated))


def layer_scores_table(scores: xr.Dataset, *, quantity: str = "score") -> pd.DataFrame:
    """What :func:`layer_scores` draws: one row per cell, with when it was and whether it is best.

    Limits of timesteps and of time bins are in ms, NaN where the result does not say.
    """
    values, _ = _checked(scores, quantity)
    shape = n_bins, _, n_steps = values.shape
    areas = np.array(names(scores, "area"))[None, :, None]
    best = np.zeros(shape, dtype=bool)
    for number, one in enumerate(values):
        if np.isfinite(one).any():
            best[(number, *_best(one))] = True
    columns: dict[str, Any] = {
        "time_bin_start": _limits(scores, "time_bin_start", n_bins)[:, None, None],
        "time_bin_end": _limits(scores, "time_bin_end", n_bins)[:, None, None],
        "area": areas,
        "timestep": scores["timestep"].values[None, None, :],
        "model_time_start": _limits(scores, "model_time_start", n_steps)[None, None, :],
        "model_time_end": _limits(scores, "model_time_end", n_steps)[None, None, :],
        quantity: values,
        "best": best,
    }
    return pd.DataFrame({k: plain_list(np.broadcast_to(v, shape)) for k, v in columns.items()})


def _checked(scores: xr.Dataset, quantity: str) -> tuple[np.ndarray, list[str]]:
    """Values (time_bin, area, timestep) and what each matrix is called."""
    check_option("quantity", quantity, QUANTITIES)
    several = quantity in scores and _BIN in scores[quantity].dims
    dims, coordinates = ((_BIN, *_CELLS), (*_CELLS, *_BIN_LIMITS)) if several else (_CELLS, _CELLS)
    found = require(scores, "layer_scores", {quantity: dims}, coordinates=coordinates)[quantity]
    finite_range(found)
    if not several:
        return found.values[None], [""]
    limits = zip(*(scores[name].values for name in _BIN_LIMITS), strict=True)
    return found.values, [f"{start:g}–{end:g} ms" for start, end in limits]


def _limits(scores: xr.Dataset, name: str, n: int) -> np.ndarray:
    """Limits in ms where they are known."""
    known = scores.coords.get(name)
    return np.full(n, np.nan) if known is None else np.broadcast_to(known.values.astype(float), n)


def _size_mm(n_areas: int, n_rows: int, n_columns: int) -> tuple[float, float]:
    matrix = float(np.clip(_AREA_MM * n_areas, *_MATRIX_MM))
    several = n_rows * n_columns > 1
    width = SINGLE_COLUMN_MM if n_columns < 3 else DOUBLE_COLUMN_MM
    return width, n_rows * (matrix + (6.0 if several else 2.0)) + 24.0


def _panels(figure: Figure, n: int, n_columns: int) -> list[Axes]:
    """One for each time bin, row by row."""
    panels = np.ravel(figure.subplots(-(-n // n_columns), n_columns, squeeze=False)).tolist()
    for axes in panels[n:]:
        axes.remove()
    return panels[:n]


def _draw(axes: Axes, values: np.ndarray, steps: np.ndarray, *, high: float) -> None:
    n_areas, n_steps = values.shape
    x, y = np.arange(n_steps + 1) - 0.5, np.arange(n_areas + 1) - 0.5
    colours = colormaps[SIMILARITY_MAP].with_extremes(bad=FAINT)
    masked = np.ma.masked_invalid(values)
    axes.pcolormesh(x, y, masked, cmap=colours, vmin=0.0, vmax=high, rasterized=True)
    if np.isfinite(values).any():
        area, step = _best(values)
        axes.plot([step], [area], **_MARK)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    # Steps that were left out leave no gap, and ticks name those that are there.
    axes.xaxis.set_major_formatter(lambda at, _: _step_name(at, steps))


def _step_name(at: float, steps: np.ndarray) -> str:
    number = round(at)
    return f"{steps[number]:g}" if 0 <= number < len(steps) and number == at else ""


def _best(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the greatest."""
    area, step = np.unravel_index(np.nanargmax(values), values.shape)
    return int(area), int(step)


def _label(panels: list[Axes], scores: xr.Dataset, n_columns: int) -> None:
    """Areas beside the first matrix of each row, timesteps below the last of each column."""
    areas = names(scores, "area")
    # A narrow matrix has no room for more than the word.
    timestep = timestep_label(scores.attrs) if len(panels) == 1 else "timestep"
    for number, axes in enumerate(panels):
        axes.set_yticks(range(len(areas)), areas if number % n_columns == 0 else [""] * len(areas))
        lowest = number + n_columns >= len(panels)
        axes.tick_params(left=False, labelbottom=lowest)
        axes.set_xlabel(timestep if lowest else "")


_MARK: Final[dict[str, Any]] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 3.8,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 0.5,
}


def _handle() -> Line2D:
    return Line2D([], [], label=_BEST, **_MARK)


def _note(scores: xr.Dataset) -> str:
    about = sentence(scores.attrs, *_NOTE, about=str(scores.attrs.get("model", "model")))
    chosen = "the best was chosen on these scores, so that its score is too high to be quoted"
    return "\n".join(part for part in (about, chosen) if part)
