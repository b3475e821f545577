"""How well each model predicts neurons, over neural time or timestep by timestep."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurorec.figures._axes import curve, level, timestep_axis, timestep_label, zero_line
from neurorec.figures._finish import finish
from neurorec.figures._fit_curves import draw_fits
from neurorec.figures._fits import Fitted, cells, fitted, is_fit, quantities
from neurorec.figures._results import is_simulated, names, padded_limits, require, sentence, tidy
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    MUTED,
    SINGLE_COLUMN_MM,
    journal_style,
    model_styles,
    new_figure,
    side_by_side,
)

_DIMS: Final = ("model", "area", "timestep")
_VARIABLES: Final = {"median": _DIMS, "ci_low": _DIMS, "ci_high": _DIMS}
_NOTE: Final = (
    "Median over {n_neuroids} neurons, {n_stimuli} images",
    "{dataset}, session {session}",
    "monkey {monkey}",
    "{splits}",
    "noise ceiling (median over neurons) r = {ceiling_median:.2f}",
    "bands: {interval}",
    "{convention}",
)


def encoding_over_time(
    scores: xr.Dataset | Mapping[str, xr.Dataset],
    *,
    quantity: str | None = None,
    resampled: str = "both",
    note: bool = True,
    simulated: bool = False,
) -> Figure:
    """Encoding score of each model over time.

    Results of ``encoding.fit`` are drawn over the time bins of the neurons, in ms. Where the model
    has a timestep of its own for each row (``time="grid"``), each is a line, and a thick one is the
    timestep that was chosen on training stimuli: to draw the best one of each bin would be to
    choose it on the scores that are shown. With one time bin they are drawn over the timesteps of
    the model.

    Parameters
    ----------
    scores
        The result of ``encoding.fit``, or several by the name of the model; or results that were
        stacked: ``median``, ``ci_low``, ``ci_high`` (model, area, timestep), noise-corrected r,
        with one panel per area; optionally ``reference_score`` (reference), levels drawn as
        dashed lines.
    quantity
        Of ``encoding.fit``: what is drawn. If left out, ``"noise_corrected"`` where all results
        have it, otherwise ``"score"``.
    resampled
        Of ``encoding.fit``: which bootstrap the bands are of, ``"neuroids"``, ``"stimuli"`` or
        ``"both"``.
    note
        Write under the panels what was compared, n and the interval.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Notes
    -----
    Attributes used where present: ``dt_ms``, ``stimulus_off_ms``, and those of the note:
    ``n_neuroids``, ``n_stimuli``, ``splits``, ``level``, ``convention``, ``n_unreliable``,
    ``time``; of stacked results also ``score_label``, ``quantity`` (``"score"`` where there is no
    ceiling to draw), ``dataset``, ``session``, ``monkey``, ``ceiling_median``, ``interval``.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, a quantity or interval is not among the
        results', results have different time bins, or everything is NaN.
    """
    if not isinstance(scores, xr.Dataset) or is_fit(scores):
        given = _by_model(scores)
        results = _fits(given, quantity, resampled)
        marked = is_simulated(*given.values(), asked=simulated)
        named = not isinstance(scores, xr.Dataset)
        return draw_fits(results, named=named, note=note, simulated=marked)
    results = check_encoding(scores)
    areas, styles = names(results, "area"), model_styles(names(results, "model"))
    corrected = _corrected(scores)
    references = _references(results)
    limits = padded_limits(
        results["median"],
        results["ci_low"],
        results["ci_high"],
        include=[0.0, *([1.0] if corrected else []), *references.values()],
    )
    with journal_style():
        width = SINGLE_COLUMN_MM if len(areas) == 1 else DOUBLE_COLUMN_MM
        figure = new_figure(width, 66.0)
        legend_above(figure, styles)
        if note:
            note_below(figure, sentence(scores.attrs, *_NOTE))
        (body,) = side_by_side(figure, 1.0)
        panels = body.subplots(1, len(areas), sharey=True, squeeze=False)[0]
        timesteps = results["timestep"].values
        for axes, area in zip(panels, areas, strict=True):
            draw_encoding(axes, results, area)
            axes.set_title(area)
            timestep_axis(axes, timesteps)
            axes.set_ylim(*limits)
        panels[0].set_ylabel(score_label(results))
        body.supxlabel(timestep_label(scores.attrs), fontsize="medium")
        return finish(
            figure,
            simulated=is_simulated(scores, asked=simulated),
            beside={panels[-1]: level_labels(results)},
        )


def encoding_over_time_table(
    scores: xr.Dataset | Mapping[str, xr.Dataset],
    *,
    quantity: str | None = None,
    resampled: str = "both",
) -> pd.DataFrame:
    """What :func:`encoding_over_time` draws.

    Of ``encoding.fit``: one row per model, model timestep and time bin, with the static control and
    the median ceiling (a correlation) of the bin. Of stacked results: one row per model, area and
    timestep; references are columns, ``reference: <name>``, for they hold for every row.
    """
    if not isinstance(scores, xr.Dataset) or is_fit(scores):
        results = _fits(_by_model(scores), quantity, resampled)
        parts = [cells(result).assign(model=name) for name, result in results.items()]
        table = pd.concat(parts, ignore_index=True)
        return table.reindex(columns=["model", *(c for c in table.columns if c != "model")])
    results = check_encoding(scores)
    table = tidy(results, list(_VARIABLES))
    for name, value in _references(results).items():
        table[f"reference: {name}"] = value
    return table


def _by_model(scores: xr.Dataset | Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    if isinstance(scores, xr.Dataset):
        return {"model": scores}
    if not scores:
        raise ValueError("encoding_over_time needs at least one result, got an empty mapping")
    return dict(scores)


def _fits(
    given: Mapping[str, xr.Dataset], quantity: str | None, resampled: str
) -> dict[str, Fitted]:
    """What is drawn of each result, of a quantity that all have."""
    plot = "encoding_over_time"
    if quantity is None:
        all_corrected = all("noise_corrected" in quantities(one, plot) for one in given.values())
        quantity = "noise_corrected" if all_corrected else "score"
    return {
        name: fitted(one, plot, quantity=quantity, resampled=resampled)
        for name, one in given.items()
    }


def draw_encoding(axes: Axes, results: xr.Dataset, area: str) -> None:
    """Curves, ceiling and references of one area."""
    selected = results.sel(area=area)
    timesteps = results["timestep"].values.astype(float)
    for name, style in model_styles(names(results, "model")).items():
        one = selected.sel(model=name)
        curve(
            axes,
            timesteps,
            one["median"].values,
            style,
            low=one["ci_low"].values,
            high=one["ci_high"].values,
        )
    if _corrected(results):
        level(axes, 1.0, dashed=False)
    for value in _references(results).values():
        level(axes, value)
    zero_line(axes, selected["ci_low"])


def level_labels(results: xr.Dataset) -> list[tuple[str, float, str]]:
    """Texts of the horizontal lines, with their height and colour."""
    labels = [("noise ceiling", 1.0, MUTED)] if _corrected(results) else []
    return labels + [(name, value, MUTED) for name, value in _references(results).items()]


def _corrected(results: xr.Dataset) -> bool:
    return results.attrs.get("quantity", "noise_corrected") == "noise_corrected"


def score_label(results: xr.Dataset) -> str:
    """What the vertical axis says."""
    default = "noise-corrected r" if _corrected(results) else "r, not noise-corrected"
    return str(results.attrs.get("score_label", default))


def _references(results: xr.Dataset) -> dict[str, float]:
    if "reference_score" not in results:
        return {}
    values = results["reference_score"].values.astype(float).tolist()
    return dict(zip(names(results, "reference"), values, strict=True))


def check_encoding(scores: xr.Dataset, plot: str = "encoding_over_time") -> xr.Dataset:
    """The variables that are drawn, or an error in the name of ``plot``."""
    return require(
        scores,
        plot,
        _VARIABLES,
        optional={"reference_score": ("reference",)},
        coordinates=_DIMS,
    )
