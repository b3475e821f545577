"""What more timesteps buy, and how soon a model that may stop early does stop."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurorec.figures._axes import curve, level, timestep_axis, timestep_label
from neurorec.figures._finish import finish
from neurorec.figures._results import (
    finite_range,
    is_simulated,
    names,
    padded_limits,
    require,
    sentence,
    tidy,
)
from neurorec.figures._text import legend_above, note_below, panel_letter
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    MUTED,
    journal_style,
    model_styles,
    new_figure,
)

_CURVE_DIMS: Final = ("model", "timestep")
_CURVES: Final = {name: _CURVE_DIMS for name in ("accuracy", "ci_low", "ci_high")}
_SWEEP_DIMS: Final = ("model", "threshold")
_SWEEP: Final = {name: _SWEEP_DIMS for name in ("mean_timesteps", "accuracy_at_threshold")}
_SWEEP_OPTIONAL: Final = {"fraction_undecided": _SWEEP_DIMS}
_NOTE: Final = (
    "{n_presentations} test images, {n_classes} classes",
    "{dataset}",
    "bands: {interval}",
    "{convention}",
)
_OPEN_MEANS: Final = (
    "b: images that reach the threshold; open marks where fewer than half of them do"
)


def speed_accuracy(
    curves: xr.Dataset, thresholds: xr.Dataset, *, note: bool = True, simulated: bool = False
) -> Figure:
    """Accuracy at each timestep (left); accuracy against mean steps to a threshold (right).

    Parameters
    ----------
    curves
        ``accuracy``, ``ci_low``, ``ci_high`` (model, timestep).
    thresholds
        ``mean_timesteps`` and ``accuracy_at_threshold`` (model, threshold), over the images that
        reach the threshold (NaN where none does); optionally ``fraction_undecided``
        (model, threshold): where it exceeds one half, the mark is open. Results of
        :func:`neurorec.dynamics.speed_accuracy` hold these and the curves: pass them twice.

    Notes
    -----
    Attributes of ``curves`` that are used where present: ``chance``, ``dt_ms``, and those of the
    note: ``n_presentations``, ``n_classes``, ``dataset``, ``interval``, ``convention``;
    ``thresholds`` may have a ``convention`` too.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, or everything is NaN.
    """
    by_step, sweep = _checked(curves, thresholds)
    for values in (by_step["accuracy"], sweep["accuracy_at_threshold"]):
        finite_range(values)  # neither panel may be empty
    styles = model_styles(names(by_step, "model"))
    chance = float(curves.attrs.get("chance", np.nan))
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, 74.0)
        legend_above(figure, styles)
        if note:
            note_below(figure, _note(curves, thresholds))
        left, right = figure.subplots(1, 2, sharey=True)
        timesteps = by_step["timestep"].values.astype(float)
        for axes in (left, right):
            if np.isfinite(chance):
                level(axes, chance)
        for name, style in styles.items():
            one = by_step.sel(model=name)
            low, high = one["ci_low"].values, one["ci_high"].values
            curve(left, timesteps, one["accuracy"].values, style, low=low, high=high)
        _draw_sweep(right, sweep)
        timestep_axis(left, timesteps)
        left.set_xlabel(timestep_label(curves.attrs))
        left.set_ylabel("accuracy")
        left.set_title("read out at each timestep")
        right.set_xlabel("mean timestep of the answer")
        right.set_title("answered when confidence reaches a threshold")
        values = (
            by_step["accuracy"],
            by_step["ci_low"],
            by_step["ci_high"],
            sweep["accuracy_at_threshold"],
        )
        left.set_ylim(*padded_limits(*values, include=[0.0, 1.0]))
        panel_letter(left, "a")
        panel_letter(right, "b", x_pt=-10.0)
        return finish(
            figure,
            simulated=is_simulated(curves, thresholds, asked=simulated),
            beside={right: [("chance", chance, MUTED)] if np.isfinite(chance) else []},
        )


def speed_accuracy_table(curves: xr.Dataset, thresholds: xr.Dataset) -> pd.DataFrame:
    """What :func:`speed_accuracy` draws.

    ``readout`` says which panel: at each ``timestep`` (then ``mean_timesteps`` is that timestep)
    or at a ``threshold``; the fields of the other panel are empty.
    """
    by_step, sweep = _checked(curves, thresholds)
    left = tidy(by_step, list(_CURVES)).assign(readout="timestep", threshold=np.nan)
    left = left.rename(columns={"timestep": "mean_timesteps"})
    left["mean_timesteps"] = left["mean_timesteps"].astype(float)
    right = tidy(sweep, [str(name) for name in sweep.data_vars]).assign(readout="threshold")
    right = right.rename(columns={"accuracy_at_threshold": "accuracy"})
    order = ["readout", "model", "threshold", "mean_timesteps", "accuracy", "ci_low", "ci_high"]
    left = left.reindex(columns=[*order, "fraction_undecided"])
    right = right.reindex(columns=[*order, "fraction_undecided"])
    return pd.concat([left, right], ignore_index=True)


def _draw_sweep(axes: Axes, sweep: xr.Dataset) -> None:
    for name, style in model_styles(names(sweep, "model")).items():
        one = sweep.sel(model=name)
        x, y = one["mean_timesteps"].values, one["accuracy_at_threshold"].values
        axes.plot(x, y, color=style.colour, linestyle=style.line, label=style.label)
        undecided = np.zeros(len(x), dtype=bool)
        if "fraction_undecided" in one:
            undecided = one["fraction_undecided"].values > 0.5
        for chosen, face in ((~undecided, style.colour), (undecided, "white")):
            axes.plot(
                x[chosen],
                y[chosen],
                linestyle="none",
                marker=style.marker,
                color=style.colour,
                markerfacecolor=face,
                markeredgewidth=0.6,
            )


def _note(curves: xr.Dataset, thresholds: xr.Dataset) -> str:
    parts = [sentence(curves.attrs, *_NOTE), str(thresholds.attrs.get("convention", ""))]
    if "fraction_undecided" in thresholds:
        parts.append(_OPEN_MEANS)
    return "\n".join(part for part in parts if part)


def _checked(curves: xr.Dataset, thresholds: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    return (
        require(curves, "speed_accuracy (curves)", _CURVES, coordinates=_CURVE_DIMS),
        require(
            thresholds,
            "speed_accuracy (thresholds)",
            _SWEEP,
            optional=_SWEEP_OPTIONAL,
            coordinates=_SWEEP_DIMS,
        ),
    )
