"""How many dimensions a model's activity fills, and how its geometry turns over timesteps."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from neurorec.figures._axes import (
    SIMILARITY_MAP,
    colour_bar,
    curve,
    even_edges,
    matrix,
    timestep_axis,
    timestep_label,
    title_of,
)
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
    journal_style,
    model_styles,
    new_figure,
    stacked,
)

_DIMS: Final = ("model", "area", "timestep")
_VARIABLES: Final = {"participation_ratio": _DIMS, "linear_cka": (*_DIMS, "timestep_b")}
_OPTIONAL: Final = {"ci_low": _DIMS, "ci_high": _DIMS}
_NOTE: Final = (
    "Activity of all units to {n_stimuli} images",
    "{dataset}",
    "participation ratio at most {participation_ratio_max}",
    "bands: {interval}",
    "{convention}",
)


def geometry_of_models(
    results: xr.Dataset, *, note: bool = True, simulated: bool = False
) -> Figure:
    """Participation ratio over timesteps (top), linear CKA between timesteps (below).

    Parameters
    ----------
    results
        ``participation_ratio`` (model, area, timestep), optionally with ``ci_low`` and
        ``ci_high``, and ``linear_cka`` (model, area, timestep, timestep_b). Attributes used
        where present: ``dt_ms``, and those of the note: ``n_stimuli``, ``dataset``,
        ``participation_ratio_max``, ``interval``, ``convention``.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, only one limit of the interval is
        given, or everything is NaN.
    """
    checked = _checked(results)
    areas, styles = names(checked, "area"), model_styles(names(checked, "model"))
    with journal_style():
        row_mm = min(28.0, 150.0 / len(styles))
        figure = new_figure(DOUBLE_COLUMN_MM, 64.0 + row_mm * len(areas))
        legend_above(figure, styles)
        if note:
            note_below(figure, sentence(results.attrs, *_NOTE))
        upper, lower = stacked(figure, 46.0, 10.0 + row_mm * len(areas))
        curves = upper.subplots(1, len(areas), squeeze=False)[0]
        for axes, area in zip(curves, areas, strict=True):
            _draw_ratio(axes, checked, area)
        upper.supxlabel(timestep_label(results.attrs), fontsize="medium")
        curves[0].set_ylabel("participation ratio")
        panel_letter(curves[0], "a")
        _draw_similarities(lower, checked)
        return finish(figure, simulated=is_simulated(results, asked=simulated))


def geometry_of_models_table(results: xr.Dataset) -> pd.DataFrame:
    """What :func:`geometry_of_models` draws.

    ``quantity`` says which panel a row belongs to; ``timestep_b`` is empty for the participation
    ratio, the interval for linear CKA.
    """
    checked = _checked(results)
    names_of_interval = [name for name in _OPTIONAL if name in checked]
    ratio = tidy(checked, ["participation_ratio", *names_of_interval])
    ratio = ratio.rename(columns={"participation_ratio": "value"}).assign(
        quantity="participation_ratio", timestep_b=np.nan
    )
    cka = tidy(checked, ["linear_cka"]).rename(columns={"linear_cka": "value"})
    cka = cka.assign(quantity="linear_cka", **{name: np.nan for name in names_of_interval})
    cka["timestep_b"] = cka["timestep_b"].astype(float)
    columns = ["quantity", *_DIMS, "timestep_b", "value", *names_of_interval]
    parts = [part.reindex(columns=columns) for part in (ratio, cka)]
    return pd.concat(parts, ignore_index=True)


def _draw_ratio(axes: Axes, results: xr.Dataset, area: str) -> None:
    selected = results.sel(area=area)
    timesteps = results["timestep"].values.astype(float)
    interval = [selected[name] for name in _OPTIONAL if name in selected]
    for name, style in model_styles(names(results, "model")).items():
        low, high = [i.sel(model=name).values for i in interval] or (None, None)
        values = selected["participation_ratio"].sel(model=name).values
        curve(axes, timesteps, values, style, low=low, high=high)
    axes.set_title(area)
    timestep_axis(axes, timesteps)
    # Areas differ many times over in size; each has its own scale, from zero.
    axes.set_ylim(0.0, padded_limits(selected["participation_ratio"], *interval)[1])


def _draw_similarities(figure: SubFigure, results: xr.Dataset) -> None:
    areas, styles = names(results, "area"), model_styles(names(results, "model"))
    panels = figure.subplots(len(areas), len(styles), sharex=True, sharey=True, squeeze=False)
    edges = even_edges(results["timestep"].values.astype(float), "the timesteps")
    lowest, _ = finite_range(results["linear_cka"])
    limits = (min(float(np.floor(lowest * 10)) / 10, 0.9), 1.0)
    image = None
    for row, area in zip(panels, areas, strict=True):
        row[0].set_ylabel(f"{area}\ntimestep")
        for axes, name in zip(row, styles, strict=True):
            values = results["linear_cka"].sel(area=area, model=name).values
            image = matrix(axes, values, edges=edges, limits=limits, colours=SIMILARITY_MAP)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for axes, style in zip(panels[0], styles.values(), strict=True):
        axes.set_title(
            title_of(style.label, 162.0 / len(styles)), color=style.colour, fontsize="medium"
        )
    for axes in panels[-1]:
        axes.set_xlabel("timestep")
    if image is not None:
        colour_bar(
            image, list(panels.ravel()), "linear CKA", shrink=1.0 if len(areas) == 1 else 0.5
        )
    panel_letter(panels[0, 0], "b")


def _checked(results: xr.Dataset) -> xr.Dataset:
    checked = require(
        results,
        "geometry_of_models",
        _VARIABLES,
        optional=_OPTIONAL,
        coordinates=(*_DIMS, "timestep_b"),
    )
    if ("ci_low" in checked) != ("ci_high" in checked):
        raise ValueError(
            "geometry_of_models needs both 'ci_low' and 'ci_high' or neither; these results hold "
            f"{sorted(map(str, results.data_vars))}"
        )
    return checked
