"""Whether what is read out at one time can be read out at another, in brain and models."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from neurorec.figures._axes import (
    ACCURACY_MAP,
    colour_bar,
    even_edges,
    matrix,
    outlines,
    stimulus_marks,
    title_of,
)
from neurorec.figures._finish import finish
from neurorec.figures._results import (
    finite_range,
    is_simulated,
    names,
    plain_list,
    require,
    sentence,
)
from neurorec.figures._text import note_below, panel_letter
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    journal_style,
    model_styles,
    new_figure,
    side_by_side,
)

_SQUARE: Final = ("train_time", "test_time")
_BRAIN: Final = {"accuracy": _SQUARE}
_MODELS: Final = {"accuracy": ("model", *_SQUARE)}
_BRAIN_TIMES: Final = ("train_time_start", "train_time_end", "test_time_start", "test_time_end")
_MODEL_TIMES: Final = ("model", "train_timestep", "test_timestep")
_SIGNIFICANCE: Final = {"p_value": _SQUARE, "p_value_max": _SQUARE}
_ALPHA: Final = 0.05
_NEURONS: Final = "{n_neuroids} neurons"
_NOTE: Final = (
    "{n_classes} classes",
    "{n_presentations} presentations",
    "{dataset}",
    "chance {chance:.3g}",
    "{classifier} classifier",
    "{splits}",
    "{convention}",
)


def temporal_generalization(
    brain: xr.Dataset,
    models: xr.Dataset | None = None,
    *,
    note: bool = True,
    simulated: bool = False,
) -> Figure:
    """Accuracy of a decoder trained at one time and tested at another: brain left, models right.

    Parameters
    ----------
    brain
        ``accuracy`` (train_time, test_time) with the coordinates ``train_time_start``,
        ``train_time_end``, ``test_time_start`` and ``test_time_end`` in ms. With ``p_value_max``,
        or else ``p_value``, a line runs around the cells in which it is below 0.05.
    models
        ``accuracy`` (model, train_time, test_time) with ``train_timestep`` and ``test_timestep``;
        the attribute ``population`` names the area. Left out, ``brain`` is drawn alone; it may then
        have timesteps instead of times in ms.

    Notes
    -----
    Brain and models have a colour scale each; both begin at chance or lower, and mark it.
    Attributes of either, used where present: ``chance``, ``population``, ``stimulus_off_ms``,
    ``dt_ms``, and those of the note: ``n_classes``, ``n_presentations``, ``n_neuroids``,
    ``dataset``, ``classifier``, ``splits``, ``convention``.

    Raises
    ------
    ValueError
        If a variable, dimension or coordinate is missing, times are not evenly spaced, or train
        and test times differ.
    """
    if models is None:
        return _alone(brain, note=note, simulated=simulated)
    brain_results, model_results = _checked(brain, models)
    styles = model_styles(names(model_results, "model"))
    n_columns = min(3, len(styles))
    n_rows = -(-len(styles) // n_columns)
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, max(72.0, 12.0 + 34.0 * n_rows))
        if note:
            parts = (
                _brain_note(brain_results),
                sentence(models.attrs, *_NOTE, about=str(models.attrs.get("population", "models"))),
            )
            note_below(figure, "\n".join(part for part in parts if part))
        brain_side, model_side = side_by_side(figure, 1.0, 1.25)
        left = brain_side.subplots()
        image = draw_generalization(left, brain_results)
        colour_bar(image, [left], "decoding accuracy", chance=_chance(brain))
        grid = model_side.add_gridspec(n_rows, n_columns)
        panels = [model_side.add_subplot(grid[divmod(i, n_columns)]) for i in range(len(styles))]
        edges = _timestep_edges(model_results)
        limits = colour_limits(model_results)
        for index, (axes, (name, style)) in enumerate(zip(panels, styles.items(), strict=True)):
            values = model_results["accuracy"].sel(model=name).values
            image = matrix(axes, values, edges=edges, limits=limits, colours=ACCURACY_MAP)
            _diagonal(axes, edges)
            axes.set_title(
                title_of(style.label, 70.0 / n_columns), color=style.colour, fontsize="medium"
            )
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(nbins=4, integer=True))
            lowest = index + n_columns >= len(styles)
            axes.tick_params(labelleft=index % n_columns == 0, labelbottom=lowest)
        model_side.supxlabel("test timestep", fontsize="medium")
        model_side.supylabel("train timestep", fontsize="medium")
        colour_bar(image, panels, "decoding accuracy", chance=_chance(models), shrink=0.8)
        panel_letter(left, "a")
        panel_letter(panels[0], "b")
        return finish(figure, simulated=is_simulated(brain, models, asked=simulated))


def _alone(results: xr.Dataset, *, note: bool, simulated: bool) -> Figure:
    """One matrix, as wide as a column."""
    in_ms = _in_ms(results)
    checked = check_brain(results, "temporal_generalization") if in_ms else _check_steps(results)
    with journal_style():
        figure = new_figure(SINGLE_COLUMN_MM, 84.0)
        if note:
            note_below(figure, _brain_note(checked))
        axes = figure.subplots()
        image = draw_generalization(axes, checked)
        colour_bar(image, [axes], "decoding accuracy", chance=_chance(checked))
        return finish(figure, simulated=is_simulated(results, asked=simulated))


def _in_ms(results: xr.Dataset) -> bool:
    return _BRAIN_TIMES[0] in results.coords or "train_timestep" not in results.coords


def _check_steps(results: xr.Dataset) -> xr.Dataset:
    coordinates = ("train_timestep", "test_timestep")
    return require(
        results,
        "temporal_generalization",
        _BRAIN,
        optional=_SIGNIFICANCE,
        coordinates=coordinates,
    )


def _brain_note(results: xr.Dataset) -> str:
    about = str(results.attrs.get("population", "brain" if _in_ms(results) else "model"))
    words = sentence(results.attrs, _NEURONS, *_NOTE, about=about)
    significant = _significant(results)
    return words if significant is None else "; ".join(filter(None, (words, significant[1])))


def _significant(results: xr.Dataset) -> tuple[np.ndarray, str] | None:
    """Cells inside the line and what the line says; nothing without p-values."""
    for name, against in (("p_value_max", "against the largest cell"), ("p_value", "cell by cell")):
        if name in results:
            inside = results[name].values < _ALPHA  # NaN is outside
            n = results[name].attrs.get("n_permutations")
            by = f"{against} of {n} permutations" if n and name == "p_value_max" else against
            which = "white line: around cells" if inside.any() else "no cell"
            return inside, f"{which} with p < {_ALPHA:g}, {by}"
    return None


def temporal_generalization_table(
    brain: xr.Dataset, models: xr.Dataset | None = None
) -> pd.DataFrame:
    """What :func:`temporal_generalization` draws, one row per cell.

    Times are the middle of the brain's bins in ms, or the model's timesteps: ``time_unit`` says
    which.
    """
    if models is None:
        return brain_cells(brain) if _in_ms(brain) else _step_cells(_check_steps(brain))
    brain_results, model_results = _checked(brain, models)
    parts = [brain_cells(brain_results)]
    train = model_results["train_timestep"].values
    test = model_results["test_timestep"].values
    for name in names(model_results, "model"):
        values = model_results["accuracy"].sel(model=name).values
        parts.append(_cells(name, "timestep", train, test, values, _chance(models)))
    return pd.concat(parts, ignore_index=True)


def brain_cells(results: xr.Dataset) -> pd.DataFrame:
    """The brain's part of the table."""
    checked = check_brain(results)
    train, test = brain_times(checked)
    values = checked["accuracy"].values
    return _with_p(_cells("brain", "ms", train, test, values, _chance(checked)), checked)


def _step_cells(results: xr.Dataset) -> pd.DataFrame:
    train, test = (results[f"{kind}step"].values for kind in _SQUARE)
    values = results["accuracy"].values
    return _with_p(_cells("model", "timestep", train, test, values, _chance(results)), results)


def _with_p(table: pd.DataFrame, results: xr.Dataset) -> pd.DataFrame:
    given = {name: results[name].values.ravel() for name in _SIGNIFICANCE if name in results}
    return table.assign(**given)


def draw_generalization(axes: Axes, results: xr.Dataset) -> AxesImage:
    """One matrix, with the diagonal, the times of the stimulus and what is significant."""
    in_ms = _in_ms(results)
    if in_ms:
        train, test = brain_times(results)
        edges = even_edges(test, "the middles of the time bins")
        _same_times(train, test)
    else:
        edges = _timestep_edges(results)
    values = results["accuracy"].values
    image = matrix(axes, values, edges=edges, limits=colour_limits(results), colours=ACCURACY_MAP)
    if in_ms:
        stimulus_marks(axes, results.attrs, both=True)
    _diagonal(axes, edges)
    significant = _significant(results)
    if significant is not None:
        sides = np.linspace(*edges, len(values) + 1)
        around = outlines(significant[0], sides, sides)
        lines = LineCollection(around, colors="white", linewidths=0.9)
        axes.add_collection(lines, autolim=False)
    axes.set_title(str(results.attrs.get("population", "brain" if in_ms else "model")))
    unit = "time from stimulus onset (ms)" if in_ms else "timestep"
    axes.set_xlabel(f"test {unit}")
    axes.set_ylabel(f"train {unit}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return image


def brain_times(results: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the train and of the test bins, in ms."""
    middles = [
        (results[f"{kind}_start"].values + results[f"{kind}_end"].values) / 2.0 for kind in _SQUARE
    ]
    return middles[0], middles[1]


def colour_limits(results: xr.Dataset) -> tuple[float, float]:
    """From below chance and the least accuracy to the greatest, in steps of 0.05."""
    low, high = finite_range(results["accuracy"])
    if "chance" in results.attrs:
        # A little below chance, so that its mark does not lie on the end of the bar.
        low = min(low, float(results.attrs["chance"]) - 0.02)
    low = max(float(np.floor(low * 20)) / 20, 0.0)
    return low, max(float(np.ceil(high * 20)) / 20, low + 0.05)


def _chance(results: xr.Dataset) -> float | None:
    return float(results.attrs["chance"]) if "chance" in results.attrs else None


def _diagonal(axes: Axes, edges: tuple[float, float]) -> None:
    axes.plot(edges, edges, color="white", linewidth=0.5, alpha=0.7)
    axes.set_xlim(*edges)
    axes.set_ylim(*edges)


def _timestep_edges(results: xr.Dataset) -> tuple[float, float]:
    train, test = results["train_timestep"].values, results["test_timestep"].values
    _same_times(train, test)
    return even_edges(test.astype(float), "the timesteps")


def _same_times(train: np.ndarray, test: np.ndarray) -> None:
    if not np.array_equal(train, test):
        raise ValueError(
            "temporal_generalization draws squares: train and test times must be the same, got "
            f"{plain_list(train)} and {plain_list(test)}"
        )


def _cells(
    source: str,
    unit: str,
    train: np.ndarray,
    test: np.ndarray,
    values: np.ndarray,
    chance: float | None,
) -> pd.DataFrame:
    rows, columns = np.meshgrid(train.astype(float), test.astype(float), indexing="ij")
    return pd.DataFrame(
        {
            "source": source,
            "time_unit": unit,
            "train_time": rows.ravel(),
            "test_time": columns.ravel(),
            "accuracy": values.ravel().astype(float),
            "chance": np.nan if chance is None else chance,
        }
    )


def check_brain(brain: xr.Dataset, plot: str = "temporal_generalization (brain)") -> xr.Dataset:
    """The matrix that is drawn, or an error in the name of ``plot``."""
    return require(brain, plot, _BRAIN, optional=_SIGNIFICANCE, coordinates=_BRAIN_TIMES)


def _checked(brain: xr.Dataset, models: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    return (
        check_brain(brain),
        require(models, "temporal_generalization (models)", _MODELS, coordinates=_MODEL_TIMES),
    )
