"""How alike the representational geometries of models and brains are, timestep by timestep."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurorec.figures._axes import curve, level, timestep_axis, timestep_label, zero_line
from neurorec.figures._finish import finish
from neurorec.figures._results import is_simulated, names, padded_limits, require, sentence, tidy
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    MUTED,
    NOTE_PT,
    journal_style,
    model_styles,
    new_figure,
    side_by_side,
)

_DIMS: Final = ("model", "area", "timestep", "target")
_VARIABLES: Final = {"score": _DIMS, "ci_low": _DIMS, "ci_high": _DIMS}
_OPTIONAL: Final = {
    "ceiling_lower": ("target",),
    "ceiling_upper": ("target",),
    "reference_score": ("reference", "target"),
}
_NOTE: Final = (
    "RDMs of {n_stimuli} images",
    "{dataset}",
    "dissimilarity: {dissimilarity}",
    "compared by {comparison}",
    "bands: {interval}",
    "{convention}",
)
NO_CEILING: Final = "no subjects, no ceiling"


def rsa_over_time(scores: xr.Dataset, *, note: bool = True, simulated: bool = False) -> Figure:
    """Agreement of model and brain RDMs over timesteps; rows are brains, columns are areas.

    Parameters
    ----------
    scores
        ``score``, ``ci_low``, ``ci_high`` (model, area, timestep, target). Optionally
        ``ceiling_lower`` and ``ceiling_upper`` (target), NaN where there are no subjects to
        estimate them from, and ``reference_score`` (reference, target), levels drawn as dashed
        lines (NaN: not drawn). Attributes used where present: ``dt_ms``, ``score_label``, and
        those of the note: ``n_stimuli``, ``dataset``, ``dissimilarity``, ``comparison``,
        ``interval``, ``convention``.
    note
        Write under the panels what was compared, n and the interval.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, only one limit of the ceiling is
        given, or everything is NaN.
    """
    results = check_rsa(scores)
    areas, targets = names(results, "area"), names(results, "target")
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, 20.0 + 42.0 * len(targets))
        legend_above(figure, model_styles(names(results, "model")))
        if note:
            note_below(figure, sentence(scores.attrs, *_NOTE))
        (body,) = side_by_side(figure, 1.0)
        panels = body.subplots(len(targets), len(areas), sharey="row", squeeze=False)
        for row, target in zip(panels, targets, strict=True):
            for axes, area in zip(row, areas, strict=True):
                draw_rsa(axes, results, area, target)
                axes.tick_params(labelbottom=target == targets[-1])
            row[0].set_ylim(*rsa_limits(results, target))
            row[0].set_ylabel(f"{target}\n{scores.attrs.get('score_label', 'RDM correlation')}")
        for axes, area in zip(panels[0], areas, strict=True):
            axes.set_title(area)
        body.supxlabel(timestep_label(scores.attrs), fontsize="medium")
        for row, target in zip(panels, targets, strict=True):
            say_no_ceiling(row[-1], results, target)
        rows = zip(panels, targets, strict=True)
        return finish(
            figure,
            simulated=is_simulated(scores, asked=simulated),
            beside={row[-1]: rsa_labels(results, target) for row, target in rows},
        )


def rsa_over_time_table(scores: xr.Dataset) -> pd.DataFrame:
    """What :func:`rsa_over_time` draws: one row per model, area, timestep and target.

    Ceilings and references (``reference: <name>``) are columns, one value per target.
    """
    results = check_rsa(scores)
    table = tidy(results, list(_VARIABLES))
    position = pd.Index(names(results, "target")).get_indexer(pd.Index(table["target"]))
    if "ceiling_lower" in results:
        for name in ("ceiling_lower", "ceiling_upper"):
            table[name] = results[name].values[position]
    if "reference_score" in results:
        for name in names(results, "reference"):
            values = results["reference_score"].sel(reference=name).values
            table[f"reference: {name}"] = values[position]
    return table


def draw_rsa(axes: Axes, results: xr.Dataset, area: str, target: str) -> None:
    """Curves, ceiling and references of one area against one target."""
    selected = results.sel(area=area, target=target)
    timesteps = results["timestep"].values.astype(float)
    band = _ceiling(results, target)
    if band is not None:
        axes.axhspan(*band, color="#e3e3e3", linewidth=0, zorder=0)
    for value in _references(results, target).values():
        level(axes, value)
    for name, style in model_styles(names(results, "model")).items():
        one = selected.sel(model=name)
        curve(
            axes,
            timesteps,
            one["score"].values,
            style,
            low=one["ci_low"].values,
            high=one["ci_high"].values,
        )
    zero_line(axes, selected["ci_low"])
    timestep_axis(axes, timesteps)


def say_no_ceiling(axes: Axes, results: xr.Dataset, target: str) -> None:
    """Say so where ceilings are known but not for ``target``."""
    if "ceiling_lower" in results and _ceiling(results, target) is None:
        axes.text(
            0.97,
            0.97,
            NO_CEILING,
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=NOTE_PT,
            color=MUTED,
        )


def rsa_limits(results: xr.Dataset, target: str) -> tuple[float, float]:
    """Limits that hold what is drawn against ``target``, zero included."""
    selected = results.sel(target=target)
    low, high = padded_limits(
        selected["score"],
        selected["ci_low"],
        selected["ci_high"],
        include=[0.0, *(_ceiling(results, target) or ()), *_references(results, target).values()],
    )
    if _ceiling(results, target) is None:
        high += 0.12 * (high - low)  # room for the line that says there is no ceiling
    return low, high


def rsa_labels(results: xr.Dataset, target: str) -> list[tuple[str, float, str]]:
    """Texts of the ceiling and the references, with their height and colour."""
    labels = [(name, value, MUTED) for name, value in _references(results, target).items()]
    band = _ceiling(results, target)
    if band is not None:
        labels.append(("noise ceiling", sum(band) / 2, MUTED))
    return labels


def _ceiling(results: xr.Dataset, target: str) -> tuple[float, float] | None:
    if "ceiling_lower" not in results:
        return None
    selected = results.sel(target=target)
    band = float(selected["ceiling_lower"]), float(selected["ceiling_upper"])
    return band if np.isfinite(band).all() else None


def _references(results: xr.Dataset, target: str) -> dict[str, float]:
    if "reference_score" not in results:
        return {}
    values = results["reference_score"].sel(target=target).values.astype(float).tolist()
    levels = dict(zip(names(results, "reference"), values, strict=True))
    return {name: value for name, value in levels.items() if np.isfinite(value)}


def check_rsa(scores: xr.Dataset, plot: str = "rsa_over_time") -> xr.Dataset:
    """The variables that are drawn, or an error in the name of ``plot``."""
    results = require(scores, plot, _VARIABLES, optional=_OPTIONAL, coordinates=_DIMS)
    if ("ceiling_lower" in results) != ("ceiling_upper" in results):
        raise ValueError(
            f"{plot} needs both 'ceiling_lower' and 'ceiling_upper' or neither; "
            f"these results hold {sorted(map(str, scores.data_vars))}"
        )
    return results
