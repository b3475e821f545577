"""Which timestep of a model predicts which time of the neurons."""

from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurorec.figures._axes import SIMILARITY_MAP, colour_bar, outlines, stimulus_marks
from neurorec.figures._finish import finish
from neurorec.figures._fit_curves import (
    CHOSEN,
    DASHED,
    bin_label,
    control_note,
    fit_note,
    line_only,
    step_label,
)
from neurorec.figures._fits import STEPWISE, Fitted, cells, fitted
from neurorec.figures._results import finite_range, is_simulated
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import (
    FAINT,
    INK,
    MUTED,
    SINGLE_COLUMN_MM,
    journal_style,
    new_figure,
)

_SIDE: Final = (46.0, 56.0)  # height of the matrix in mm, at least and at most
_MARGIN_MM: Final = 17.0
_BEST: Final = "best of bin, on these scores"
_BEST_NOTE: Final = (
    "circles: best timestep of each bin, where its interval excludes 0; chosen on these scores, so "
    "its score is too high to be quoted"
)


def time_grid(
    scores: xr.Dataset,
    *,
    quantity: str | None = None,
    resampled: str = "both",
    note: bool = True,
    simulated: bool = False,
) -> Figure:
    """Cross-temporal encoding matrix: each timestep of a model against each time of the neurons.

    Above it, as correlations whichever quantity the matrix shows: the median noise ceiling of each
    bin, the score of the timestep chosen for it on training stimuli, and the static control. A line
    runs around the cells whose interval excludes 0. Marks show the best timestep of each bin, where
    its interval excludes 0; it was chosen on the scores that are shown, so that its score is too
    high to be quoted.

    Parameters
    ----------
    scores
        Result of ``encoding.fit`` with ``time="grid"`` or ``"cumulative"``.
    quantity
        Which; ``"noise_corrected"`` if left out and there, otherwise ``"score"``.
    resampled
        Which bootstrap the interval is of: ``"neuroids"``, ``"stimuli"`` or ``"both"``.
    note
        Write under the matrix what was compared, n and the interval.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, the result has no timestep of its own for
        each row, times do not rise, or everything is NaN.
    """
    result = _checked(scores, quantity, resampled)
    margin = bool(_lines(result))
    n_steps, n_bins = result.median.shape
    height = float(np.clip(66.0 * n_steps / max(n_bins, 1), *_SIDE))
    with journal_style():
        figure = new_figure(SINGLE_COLUMN_MM, height + 26.0 + (_MARGIN_MM if margin else 0.0))
        _legend(figure, result)
        if note:
            note_below(figure, fit_note({"model": result}, _interval_note(result)))
        ratios = (_MARGIN_MM, height) if margin else (height,)
        grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios)
        axes = figure.add_subplot(grid[-1])
        image = _draw_matrix(axes, result)
        axes.set_xlabel(bin_label(result))
        axes.set_ylabel(step_label(result))
        if margin:
            above = figure.add_subplot(grid[0], sharex=axes)
            _draw_margin(above, result)
        low = float(np.nanmin(result.median))
        # Correlations below 0 have the colour of 0, and the bar says so.
        colour_bar(image, [axes], result.label, extend="min" if low < 0 else "neither")
        return finish(figure, simulated=is_simulated(scores, asked=simulated))


def time_grid_table(
    scores: xr.Dataset, *, quantity: str | None = None, resampled: str = "both"
) -> pd.DataFrame:
    """What :func:`time_grid` draws: one row per cell, with the ceiling and control of its bin."""
    result = _checked(scores, quantity, resampled)
    table = cells(result)
    excludes = _excludes_zero(result).ravel().tolist()
    rows = _best_rows(result)
    best = (np.arange(len(result.timesteps))[:, None] == rows).ravel().tolist()
    return table.assign(excludes_zero=excludes, best_of_bin=best)


def _checked(scores: xr.Dataset, quantity: str | None, resampled: str) -> Fitted:
    result = fitted(scores, "time_grid", quantity=quantity, resampled=resampled)
    time = str(scores.attrs.get("time", "grid"))
    if time not in STEPWISE:
        raise ValueError(
            f"time_grid needs a result with a row for each model timestep, got one of time={time!r}"
            "; fit with time='grid', or draw encoding_over_time"
        )
    for centres, what in ((result.timesteps, "timesteps"), (result.middles, "time bins")):
        if np.any(np.diff(centres) <= 0):
            raise ValueError(f"time_grid needs rising {what}, got {centres.tolist()}; sort them")
    finite_range(result.median)
    return result


def _draw_matrix(axes: Axes, result: Fitted) -> QuadMesh:
    x, y = _bin_edges(result), _edges(result.timesteps, half=0.5)
    highest = max(float(np.nanmax(result.median)), 1e-6)
    colours = colormaps[SIMILARITY_MAP].with_extremes(bad=FAINT)
    values = np.ma.masked_invalid(result.median)
    image = axes.pcolormesh(x, y, values, cmap=colours, vmin=0.0, vmax=highest, rasterized=True)
    around = LineCollection(outlines(_excludes_zero(result), x, y), colors="white", linewidths=0.9)
    axes.add_collection(around, autolim=False)
    rows = _best_rows(result)
    known = rows >= 0
    size = 3.4 if len(result.middles) <= 30 else 2.2
    axes.plot(
        result.middles[known],
        result.timesteps[rows[known]],
        linestyle="none",
        marker="o",
        markersize=size,
        markerfacecolor="white",
        markeredgecolor=INK,
        markeredgewidth=0.5,
        label=_BEST,
    )
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    off = result.attrs.get("stimulus_off_ms")
    if off is not None and x[0] < float(off) < x[-1]:
        axes.axvline(float(off), color="white", linewidth=0.8, linestyle=(0.0, (1.0, 1.5)))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    return image


def _draw_margin(axes: Axes, result: Fitted) -> None:
    """Ceiling and control, in steps as wide as the bins."""
    x = _bin_edges(result)
    for values, _, colour, line in _lines(result):
        steps = np.append(values, values[-1])
        axes.step(x, steps, where="post", color=colour, linewidth=0.9, linestyle=line)
    low, high = finite_range(*(values for values, *_ in _lines(result)), [0.0])
    axes.set_ylim(low, high + 0.08 * (high - low or 1.0))
    stimulus_marks(axes, result.attrs, both=False)
    axes.set_ylabel("r")
    axes.tick_params(labelbottom=False)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))


def _legend(figure: Figure, result: Fitted) -> None:
    shown = {label: line_only(label, colour, line) for _, label, colour, line in _lines(result)}
    legend_above(figure, shown, more=[_best_handle()])


def _best_handle() -> Line2D:
    look = {"markerfacecolor": "white", "markeredgecolor": INK, "markeredgewidth": 0.5}
    return Line2D([], [], linestyle="none", marker="o", markersize=3.4, label=_BEST, **look)


def _lines(result: Fitted) -> list[tuple[np.ndarray, str, str, Any]]:
    """Values, label, colour and line of each correlation in the margin."""
    found: list[tuple[np.ndarray, str, str, Any]] = []
    if result.ceiling is not None:
        found.append((result.ceiling, "noise ceiling", MUTED, "-"))
    if result.dynamic_r is not None:
        found.append((result.dynamic_r, CHOSEN, INK, "-"))
    if result.static_r is not None:
        found.append((result.static_r, "static control", INK, DASHED))
    return found


def _interval_note(result: Fitted) -> str:
    excludes = _excludes_zero(result)
    if not result.has_intervals:
        return "circles: best timestep of each bin, chosen on these scores; no intervals"
    if excludes.all():
        which = "the interval of every cell excludes 0"
    elif excludes.any():
        which = "white line: around cells whose interval excludes 0"
    else:
        which = "no cell's interval excludes 0"
    words = [f"{which} ({result.interval}, cell by cell)", _BEST_NOTE]
    return "; ".join([*words, control_note({"model": result})])


def _excludes_zero(result: Fitted) -> np.ndarray:
    return (result.ci_low > 0) | (result.ci_high < 0)


def _best_rows(result: Fitted) -> np.ndarray:
    """Row of the largest median of each bin; -1 where its interval does not exclude 0."""
    filled = np.where(np.isfinite(result.median), result.median, -np.inf)
    best = filled.argmax(axis=0)
    known = np.isfinite(filled).any(axis=0)
    excludes = np.take_along_axis(_excludes_zero(result), best[None], axis=0)[0]
    sure = excludes if result.has_intervals else known
    return np.where(sure, best, -1)


def _bin_edges(result: Fitted) -> np.ndarray:
    """Limits of the bins, or, where they overlap or leave gaps, places midway between them."""
    if np.allclose(result.bin_start[1:], result.bin_end[:-1]):
        return np.append(result.bin_start, result.bin_end[-1])
    return _edges(result.middles, half=0.0)


def _edges(centres: np.ndarray, *, half: float) -> np.ndarray:
    """Midway between ``centres`` and as far beyond the outer ones; ``half`` around a lone one."""
    if len(centres) == 1:
        return np.array([centres[0] - half, centres[0] + half])
    between = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - between[0], 2 * centres[-1] - between[-1]
    return np.concatenate([[first], between, [last]])
