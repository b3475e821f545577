"""What late timesteps of a model explain that early ones do not."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurorec.figures._axes import curve, level, stimulus_marks
from neurorec.figures._finish import finish
from neurorec.figures._fits import QUANTITIES, RESAMPLED
from neurorec.figures._results import (
    is_simulated,
    names,
    padded_limits,
    require,
    sentence,
    tidy,
)
from neurorec.figures._text import note_below, panel_letter
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    FAINT,
    INK,
    SINGLE_COLUMN_MM,
    ModelStyle,
    journal_style,
    new_figure,
    side_by_side,
)

_DIMS: Final = ("part", "time_bin")
_LIMITS: Final = {name: _DIMS for name in ("ci_low", "ci_high")}
_MODELS: Final = ("early", "late", "both")
_UNIQUE: Final = ("unique_early", "unique_late", "shared")
#: Parts in the order in which they are drawn.
PARTS: Final = (*_MODELS, *_UNIQUE)
_STYLES: Final = {
    "early": ModelStyle(label="early", colour="#56B4E9"),
    "late": ModelStyle(label="late", colour="#D55E00", marker="s"),
    "both": ModelStyle(label="both", colour=INK, marker="D"),
    "unique_early": ModelStyle(label="only early", colour="#56B4E9"),
    "unique_late": ModelStyle(label="only late", colour="#D55E00", marker="s"),
    "shared": ModelStyle(label="shared", colour="#7F7F7F", marker="D"),
}
_NOTE: Final = (
    "Median over {n_neuroids} neurons, {n_stimuli} stimuli",
    "early: {n_early} timesteps that begin before {boundary_ms:g} ms",
    "late: the other {n_late}",
    "stimulus off at {stimulus_off_ms:g} ms",
    "{splits}",
    "intervals: {interval}",
)


def variance_partition(
    partition: xr.Dataset, *, note: bool = True, simulated: bool = False
) -> Figure:
    """Variance that early timesteps explain, late ones, both, each alone, and either.

    Over time bins: what the three readouts explain on the left, and how it divides on the right.
    With one time bin both are points with their intervals.

    Parameters
    ----------
    partition
        Result of ``encoding.unique_variance``: ``median``, ``ci_low``, ``ci_high`` (part,
        time_bin) with the parts ``"early"``, ``"late"``, ``"both"``, ``"unique_early"``,
        ``"unique_late"`` and ``"shared"``, and the coordinates ``time_bin_start`` and
        ``time_bin_end`` in ms; without intervals where no draws were asked for. Attributes used
        where present: ``quantity``, ``stimulus_off_ms``, and those of the note: ``n_neuroids``,
        ``n_stimuli``, ``n_early``, ``n_late``, ``boundary_ms``, ``splits``, ``level``,
        ``resampled``.
    note
        Write under the panels what was compared, n and the interval.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Raises
    ------
    ValueError
        If a variable, dimension, coordinate or part is missing, or everything is NaN.
    """
    results = _checked(partition)
    draw = _draw_lines if results.sizes["time_bin"] > 1 else _draw_points
    with journal_style():
        figure = draw(results, note=_note(partition) if note else "")
        return finish(figure, simulated=is_simulated(partition, asked=simulated))


def variance_partition_table(partition: xr.Dataset) -> pd.DataFrame:
    """What :func:`variance_partition` draws: one row per part and time bin."""
    results = _checked(partition)
    table = tidy(results.assign_coords(time_bin=_middles(results)), [*map(str, results)])
    table = table.rename(columns={"time_bin": "time"})
    for name in ("time_bin_start", "time_bin_end"):
        table[name] = np.tile(results[name].values.astype(float), len(PARTS))
    return table


def _draw_lines(results: xr.Dataset, *, note: str) -> Figure:
    figure = new_figure(DOUBLE_COLUMN_MM, 66.0)
    note_below(figure, note)
    limits = padded_limits(*results.values(), include=[0.0])
    columns = side_by_side(figure, 1.0, 1.0)
    panels = [column.subplots() for column in columns]
    for axes, parts, title in zip(
        panels, (_MODELS, _UNIQUE), ("what each explains", "how that divides"), strict=True
    ):
        _draw_over_bins(axes, results, parts)
        axes.set_ylim(*limits)
        axes.set_title(title)
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.08), ncols=3)
        axes.set_xlabel("time from stimulus onset (ms)")
    panels[0].set_ylabel(_label(results))
    for axes, letter in zip(panels, "ab", strict=True):
        panel_letter(axes, letter)
    return figure


def _draw_over_bins(axes: Axes, results: xr.Dataset, parts: tuple[str, ...]) -> None:
    time = _middles(results)
    room = 0.02 * float(np.ptp(time))
    axes.set_xlim(time.min() - room, time.max() + room)
    stimulus_marks(axes, results.attrs, both=False)
    level(axes, 0.0, dashed=False, colour=FAINT)
    for part in parts:
        one = results.sel(part=part)
        median, style = one["median"].values, _STYLES[part]
        low, high = (one[k].values if k in one else None for k in _LIMITS)
        curve(axes, time, median, style, low=low, high=high, markers=len(time) <= 25)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _draw_points(results: xr.Dataset, *, note: str) -> Figure:
    figure = new_figure(SINGLE_COLUMN_MM, 62.0)
    note_below(figure, note)
    axes = side_by_side(figure, 1.0)[0].subplots()
    limits = padded_limits(*results.values(), include=[0.0])
    axes.set_xlim(*limits)
    axes.axvline(0.0, color=FAINT, linewidth=0.7, zorder=1)
    places = np.array([7.0, 6.0, 5.0, 3.5, 2.5, 1.5])  # a gap between readouts and their division
    for place, part in zip(places, PARTS, strict=True):
        one, style = results.sel(part=part).isel(time_bin=0), _STYLES[part]
        if "ci_low" in one:
            ends = [float(one["ci_low"]), float(one["ci_high"])]
            axes.plot(ends, [place, place], color=style.colour, linewidth=1.1)
        axes.plot(float(one["median"]), place, color=style.colour, marker=style.marker)
    axes.set_ylim(0.9, 7.6)
    axes.set_yticks(places, [_STYLES[part].label for part in PARTS])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(_label(results))
    return figure


def _label(results: xr.Dataset) -> str:
    return QUANTITIES.get(str(results.attrs.get("quantity", "determination")), "R²")


def _note(partition: xr.Dataset) -> str:
    attrs = dict(partition.attrs)
    if "ci_low" in partition and "level" in attrs:
        over = RESAMPLED.get(str(attrs.get("resampled", "both")), "")
        # The sentence puts the level before it.
        attrs["interval"] = f"bootstrap over {over}"
    else:
        attrs.pop("interval", None)
    return sentence(attrs, *_NOTE)


def _middles(results: xr.Dataset) -> np.ndarray:
    return (results["time_bin_start"].values + results["time_bin_end"].values) / 2.0


def _checked(partition: xr.Dataset) -> xr.Dataset:
    times = ("time_bin_start", "time_bin_end")
    plot = "variance_partition"
    needed = {"median": _DIMS}
    results = require(partition, plot, needed, optional=_LIMITS, coordinates=("part", *times))
    if ("ci_low" in results) != ("ci_high" in results):
        raise ValueError(f"{plot} needs both 'ci_low' and 'ci_high' or neither")
    absent = [part for part in PARTS if part not in names(results, "part")]
    if absent:
        raise ValueError(
            f"{plot} needs the part {absent[0]!r}; these results have {names(results, 'part')}"
        )
    padded_limits(*results.values())
    return results.sel(part=list(PARTS))
