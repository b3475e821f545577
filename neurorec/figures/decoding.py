"""What can be read out of a brain over time, beside what can be read out of the models."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurorec.figures._axes import curve, level, stimulus_marks, timestep_axis, timestep_label
from neurorec.figures._finish import Label, finish
from neurorec.figures._results import is_simulated, names, padded_limits, require, sentence, tidy
from neurorec.figures._text import legend_above, note_below, panel_letter
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    INK,
    MUTED,
    ModelStyle,
    journal_style,
    model_styles,
    new_figure,
    side_by_side,
)

_BRAIN: Final = {name: ("time_bin",) for name in ("accuracy", "ci_low", "ci_high")}
_MODEL_DIMS: Final = ("model", "area", "timestep")
_MODELS: Final = {name: _MODEL_DIMS for name in ("accuracy", "ci_low", "ci_high")}
_NEURONS: Final = "{n_neuroids} neurons"
_NOTE: Final = (
    "{n_classes} classes",
    "{n_presentations} presentations",
    "{dataset}",
    "{classifier} classifier",
    "{splits}",
    "bands: {interval}",
    "{convention}",
)
_BRAIN_STYLE: Final = ModelStyle(label="brain", colour=INK)


def decoding_over_time(
    brain: xr.Dataset, models: xr.Dataset, *, note: bool = True, simulated: bool = False
) -> Figure:
    """Decoding accuracy of a brain over ms (left) and of each model area over timesteps (right).

    Parameters
    ----------
    brain
        ``accuracy``, ``ci_low``, ``ci_high`` (time_bin) with the coordinates ``time_bin_start`` and
        ``time_bin_end`` in ms; drawn at the middle of the bins.
    models
        The same variables over (model, area, timestep).

    Notes
    -----
    Attributes of either, used where present: ``chance``, ``population``, ``stimulus_off_ms``,
    ``dt_ms``, and those of the note: ``n_classes``, ``n_presentations``, ``n_neuroids``,
    ``dataset``, ``classifier``, ``splits``, ``interval``, ``convention``.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, or everything is NaN.
    """
    brain_results, model_results = _checked(brain, models)
    areas = names(model_results, "area")
    n_rows = 1 if len(areas) <= 2 else 2
    n_columns = -(-len(areas) // n_rows)
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, 84.0 if n_rows == 2 else 62.0)
        legend_above(figure, model_styles(names(model_results, "model")))
        if note:
            parts = (
                sentence(r.attrs, *templates, about=str(r.attrs.get("population", kind)))
                for kind, r, templates in (
                    ("brain", brain, (_NEURONS, *_NOTE)),
                    ("models", models, _NOTE),
                )
            )
            note_below(figure, "\n".join(part for part in parts if part))
        brain_side, model_side = side_by_side(figure, 1.0, 1.2)
        left = brain_side.subplots()
        _draw_brain(left, brain_results)
        limits = padded_limits(
            model_results["ci_low"],
            model_results["ci_high"],
            model_results["accuracy"],
            include=[0.0, 1.0],
        )
        grid = model_side.add_gridspec(n_rows, n_columns)
        panels = [model_side.add_subplot(grid[divmod(i, n_columns)]) for i in range(len(areas))]
        for index, (axes, area) in enumerate(zip(panels, areas, strict=True)):
            _draw_models(axes, model_results, area)
            axes.set_ylim(*limits)
            lowest = index + n_columns >= len(areas)
            first = index % n_columns == 0
            axes.tick_params(labelleft=first, labelbottom=lowest)
        model_side.supxlabel(timestep_label(models.attrs), fontsize="medium")
        model_side.supylabel("decoding accuracy", fontsize="medium")
        panel_letter(left, "a")
        panel_letter(panels[0], "b")
        ends = panels[n_columns - 1 :: n_columns]
        return finish(
            figure,
            simulated=is_simulated(brain, models, asked=simulated),
            beside={left: _chance_label(brain)} | {axes: _chance_label(models) for axes in ends},
        )


def decoding_over_time_table(brain: xr.Dataset, models: xr.Dataset) -> pd.DataFrame:
    """What :func:`decoding_over_time` draws.

    ``time`` is the middle of the brain's bin in ms, or the model's timestep: ``time_unit`` says
    which.
    """
    brain_results, model_results = _checked(brain, models)
    left = pd.DataFrame(
        {
            "source": "brain",
            "area": _brain_label(brain),
            "time": _middle(brain_results),
            "time_unit": "ms",
            "time_bin_start": brain_results["time_bin_start"].values.astype(float),
            "time_bin_end": brain_results["time_bin_end"].values.astype(float),
            **{name: brain_results[name].values.astype(float) for name in _BRAIN},
            "chance": _chance(brain),
        }
    )
    right = tidy(model_results, list(_MODELS))
    right = right.rename(columns={"model": "source", "timestep": "time"})
    right["time"] = right["time"].astype(float)
    right["time_unit"] = "timestep"
    right["time_bin_start"] = right["time_bin_end"] = np.nan
    right["chance"] = _chance(models)
    return pd.concat([left, right.reindex(columns=left.columns)], ignore_index=True)


def _draw_brain(axes: Axes, results: xr.Dataset) -> None:
    time = _middle(results)
    limits = padded_limits(
        results["accuracy"], results["ci_low"], results["ci_high"], include=[0.0, 1.0]
    )
    axes.set_ylim(*limits)
    room = 0.02 * (time.max() - time.min() or 1.0)
    axes.set_xlim(time.min() - room, time.max() + room)
    stimulus_marks(axes, results.attrs, both=False)
    _draw_chance(axes, results)
    curve(
        axes,
        time,
        results["accuracy"].values,
        _BRAIN_STYLE,
        low=results["ci_low"].values,
        high=results["ci_high"].values,
        markers=False,
    )
    axes.set_title(_brain_label(results))
    axes.set_ylabel("decoding accuracy")
    widths = results["time_bin_end"].values - results["time_bin_start"].values
    width = f", middle of {widths[0]:g} ms bins" if np.allclose(widths, widths[0]) else ""
    axes.set_xlabel(f"time from stimulus onset (ms{width})")


def _draw_models(axes: Axes, results: xr.Dataset, area: str) -> None:
    selected = results.sel(area=area)
    timesteps = results["timestep"].values.astype(float)
    _draw_chance(axes, results)
    for name, style in model_styles(names(results, "model")).items():
        one = selected.sel(model=name)
        curve(
            axes,
            timesteps,
            one["accuracy"].values,
            style,
            low=one["ci_low"].values,
            high=one["ci_high"].values,
        )
    axes.set_title(area)
    timestep_axis(axes, timesteps)


def _draw_chance(axes: Axes, results: xr.Dataset) -> None:
    if "chance" in results.attrs:
        level(axes, _chance(results))


def _chance_label(results: xr.Dataset) -> list[Label]:
    return [("chance", _chance(results), MUTED)] if "chance" in results.attrs else []


def _chance(results: xr.Dataset) -> float:
    return float(results.attrs.get("chance", np.nan))


def _middle(results: xr.Dataset) -> np.ndarray:
    return (results["time_bin_start"].values + results["time_bin_end"].values) / 2.0


def _brain_label(brain: xr.Dataset) -> str:
    return str(brain.attrs.get("population", "brain"))


def _checked(brain: xr.Dataset, models: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    times = ("time_bin_start", "time_bin_end")
    return (
        require(brain, "decoding_over_time (brain)", _BRAIN, coordinates=times),
        require(models, "decoding_over_time (models)", _MODELS, coordinates=_MODEL_DIMS),
    )
