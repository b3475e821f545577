"""Everything that was measured of a geometry over time: curves, matrices between times, RDMs."""

from collections.abc import Mapping
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
    stimulus_marks,
    timestep_axis,
    title_of,
    zero_line,
)
from neurorec.figures._finish import finish
from neurorec.figures._panel import (
    LIMITS,
    Curve,
    Panel,
    label_of,
    other_times,
    panel_of,
    with_units,
)
from neurorec.figures._rdms import (
    colour_limits,
    draw_rdm,
    evenly,
    left_mm,
    name_groups,
    pair_table,
    shown,
)
from neurorec.figures._results import finite_range, is_simulated, padded_limits, sentence
from neurorec.figures._text import legend_above, note_below, panel_letter
from neurorec.figures.style import (
    DOUBLE_COLUMN_MM,
    MUTED,
    ModelStyle,
    journal_style,
    model_styles,
    new_figure,
    stacked,
)

_NOTE: Final = (
    "{n_stimuli} stimuli",
    "{data_set}",
    "n = {n_neuroids} units",
    "bands: {interval}",
    "RDM: {rdm_method}",
    "RDMs of {n_rdms} populations are not drawn here, see rdm_strip",
    "of too many dimensions to be drawn: {left_out}",
)
_COLUMNS: Final = 4  # panels beside each other
_SNAPSHOTS: Final = 6
_MOST_ROWS: Final = 4  # of RDMs; more populations have a strip of their own
_CURVE_MM: Final = 40.0


def geometry_panel(
    results: xr.Dataset, *, by: str | None = None, note: bool = True, simulated: bool = False
) -> Figure:
    """Curves over time (a), matrices between times (b) and RDMs at some times (c).

    With several models, colours are models and areas have panels of their own; otherwise colours
    are areas and measures have panels of their own. A part for which nothing was measured is left
    out; RDMs are, too, of more than four populations.

    Parameters
    ----------
    results
        What :func:`neurorec.geometry.over_time` gives. A measure ``m`` is drawn with a band where
        there are ``m_ci_low`` and ``m_ci_high``.
    by
        Coordinate of the conditions by which RDMs are sorted, see :func:`rdm_strip`.
    note
        Write under the panels what was measured and n.
    simulated
        Mark the figure as simulated; results that say so themselves are always marked.

    Raises
    ------
    ValueError
        If there is no time, nothing to draw, or everything is NaN.
    """
    panel = panel_of(results)
    _require_numbers(panel)
    parts = _parts(panel, by)
    with journal_style():
        figure = new_figure(DOUBLE_COLUMN_MM, sum(parts.values()) + 14.0)
        styles = _styles(panel)
        if len(styles) > 1:
            legend_above(figure, styles)
        if note:
            note_below(figure, sentence(_known(results, panel), *_NOTE))
        places = stacked(figure, *parts.values())
        for letter, part, place in zip("abc", parts, places, strict=False):
            first = _DRAW[part](place, panel, by)
            panel_letter(first, letter)
        return finish(figure, simulated=is_simulated(results, asked=simulated))


def geometry_panel_table(results: xr.Dataset, *, by: str | None = None) -> pd.DataFrame:
    """What :func:`geometry_panel` draws.

    ``quantity`` is the name of a measure. Curves have a ``value`` and their interval for each
    ``time``; matrices a value for each ``time`` and ``time_b``, which is a brain's, in ms, where
    it is compared with one; RDMs a value for each pair of stimuli. Times are timesteps or middles
    of bins in ms, as ``time_unit`` says.
    """
    panel = panel_of(results)
    _require_numbers(panel)
    tables = [_curve_table(panel, one) for one in panel.curves]
    tables += [_matrix_table(panel, name) for name in panel.matrices]
    if "rdms" in _parts(panel):
        tables.append(_rdm_table(panel, by))
    table = pd.concat(tables, ignore_index=True)
    table.insert(3, "time_unit", "timestep" if panel.in_steps else "ms")
    return table


def _require_numbers(panel: Panel) -> None:
    drawn = [one.values for one in panel.curves]
    finite_range(*drawn, *panel.matrices.values(), *panel.rdms.values())


def _parts(panel: Panel, by: str | None = None) -> dict[str, float]:
    """Parts of the figure and their heights in mm."""
    parts: dict[str, float] = {}
    if panel.curves:
        cells = len(panel.curves) * (len(panel.areas) if panel.by_model else 1)
        rows = len(panel.curves) if panel.by_model else -(-cells // _COLUMNS)
        parts["curves"] = 8.0 + (_CURVE_MM - (8.0 if rows > 2 else 0.0)) * rows
    if panel.matrices:
        rows, columns = _grid(panel)
        n_down = -(-len(panel.matrices) // _beside(panel))
        parts["matrices"] = 10.0 + min(38.0, 150.0 / columns) * rows * n_down
    if panel.rdms and len(panel.populations) * len(panel.rdms) <= _MOST_ROWS:
        side = _side(min(len(panel.times), _SNAPSHOTS), panel, by)
        parts["rdms"] = 6.0 + (side + 5.0) * len(panel.populations) * len(panel.rdms)
    return parts


def _grid(panel: Panel) -> tuple[int, int]:
    """Rows and columns of matrices: areas by models, or areas beside each other."""
    if panel.by_model:
        return len(panel.areas), len(panel.models)
    n = len(panel.areas)
    columns = min(n, _COLUMNS)
    return -(-n // columns), columns


def _beside(panel: Panel) -> int:
    """Kinds of matrices beside each other: those of a single population have room for it."""
    return _COLUMNS - 1 if len(panel.populations) == 1 else 1


def _side(n_columns: int, panel: Panel, by: str | None) -> float:
    left = left_mm(_shown(panel, by))
    return min((DOUBLE_COLUMN_MM - left - 16.0) / n_columns - 1.5, 30.0)


def _styles(panel: Panel) -> dict[str, ModelStyle]:
    return model_styles(panel.models if panel.by_model else panel.areas)


def _draw_curves(place: SubFigure, panel: Panel, by: str | None) -> Axes:
    if panel.by_model:
        shape = (len(panel.curves), len(panel.areas))
        cells = [(one, area) for one in panel.curves for area in panel.areas]
    else:
        columns = min(len(panel.curves), _COLUMNS)
        shape = (-(-len(panel.curves) // columns), columns)
        cells = [(one, None) for one in panel.curves]
    panels = place.subplots(*shape, squeeze=False, sharex=True)
    for axes in panels.ravel()[len(cells) :]:
        axes.set_axis_off()
    for axes, (one, area) in zip(panels.ravel(), cells, strict=False):
        _draw_curve(axes, panel, one, area)
        if panel.by_model:
            axes.set_title(str(area) if one is panel.curves[0] else "")
        else:
            axes.set_title(title_of(one.label, 150.0 / panels.shape[1]))
    if panel.by_model:
        for row, one in zip(panels, panel.curves, strict=True):
            row[0].set_ylabel(one.label)
    for axes, below in zip(panels.ravel()[: len(cells)], _below(panels, len(cells)), strict=True):
        axes.tick_params(labelbottom=below)
    place.supxlabel(panel.time_label, fontsize="medium")
    return panels[0, 0]


def _below(panels: np.ndarray, n_cells: int) -> list[bool]:
    """Whether nothing is drawn below each cell."""
    n_columns = panels.shape[1]
    return [i + n_columns >= n_cells for i in range(n_cells)]


def _draw_curve(axes: Axes, panel: Panel, one: Curve, area: str | None) -> None:
    drawn = []
    for i, (name, style) in enumerate(_styles(panel).items()):
        where = {"model": i, "area": panel.areas.index(str(area))} if panel.by_model else None
        at = where or {"model": 0, "area": i}
        values, low, high = (
            None if array is None else array.isel(at).values
            for array in (one.values, one.low, one.high)
        )
        assert values is not None, name
        curve(axes, panel.times, values, style, low=low, high=high, markers=len(panel.times) < 25)
        drawn += [array for array in (values, low, high) if array is not None]
    if np.isfinite(np.concatenate(drawn)).any():
        low, high = padded_limits(*drawn)
        lowest = min(np.nanmin(np.concatenate(drawn)), 0.0)
        # From zero, unless that would leave the curves in a corner.
        axes.set_ylim(low if lowest < 0 or low > 0.6 * high else 0.0, high)
        if not np.nan_to_num(np.concatenate(drawn)).any():
            axes.set_ylim(0.0, 1.0)
        zero_line(axes, np.concatenate(drawn))
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, color=MUTED, ha="center")
    if panel.in_steps:
        timestep_axis(axes, panel.times)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        stimulus_marks(axes, panel.attrs, both=False)
    whole = all(float(number).is_integer() for number in np.unique(drawn[0]) if np.isfinite(number))
    if np.isfinite(np.concatenate(drawn)).any():
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=whole))


def _draw_matrices(place: SubFigure, panel: Panel, by: str | None) -> Axes:
    rows, columns = _grid(panel)
    edges = even_edges(panel.times, "the time bins")
    beside = _beside(panel)
    n_down = -(-len(panel.matrices) // beside)
    parts = np.asarray(place.subfigures(n_down, beside, squeeze=False))
    first = None
    for i, (name, values) in enumerate(panel.matrices.items()):
        part = parts.ravel()[i]
        # Square matrices stand beside each other, however few there are.
        square = other_times(values)[1] is None
        room = columns if panel.by_model or not square else max(columns, _COLUMNS - 1)
        panels = part.subplots(
            rows, room if len(panel.areas) > 1 else columns, squeeze=False, sharex=True, sharey=True
        )
        _draw_one_kind(panels, panel, values, edges, name)
        if i % beside:
            panels[0, 0].set_ylabel("")  # the rows are those of the first
        columns_label = other_times(values)[1] or panel.time_label
        part.supxlabel(columns_label, fontsize="medium")
        first = panels[0, 0] if first is None else first
    assert first is not None
    return first


def _draw_one_kind(
    panels: np.ndarray, panel: Panel, values: xr.DataArray, edges: tuple[float, float], name: str
) -> None:
    others, label = other_times(values)
    across = None if label is None else even_edges(others, "the time bins of the brain")
    limits = _limits(values, alone=label is None)
    images = []
    cells = [(a, m) for a in range(len(panel.areas)) for m in range(len(panel.models))]
    for axes in panels.ravel()[len(cells) :]:
        axes.set_axis_off()
    styles = list(_styles(panel).values())
    for axes, (a, m) in zip(panels.ravel(), cells, strict=False):
        own = values.isel(area=a, model=m).values
        look = {"limits": limits, "colours": SIMILARITY_MAP, "column_edges": across}
        images.append(matrix(axes, own, edges=edges, **look))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=3, integer=panel.in_steps))
        if not panel.by_model:
            colour = styles[a].colour if len(styles) > 1 else "black"
            axes.set_title(panel.areas[a], color=colour, fontsize="medium")
    if panel.by_model:
        for axes, style in zip(panels[0], styles, strict=True):
            label = title_of(style.label, 150.0 / len(styles))
            axes.set_title(label, color=style.colour, fontsize="medium")
    for row, area in zip(panels, panel.areas, strict=False):
        row[0].set_ylabel(area if panel.by_model else "timestep" if panel.in_steps else "ms")
    shrink = 1.0 if len(panels) < 3 else 0.5
    bar = title_of(with_units(label_of(name), values), 34.0 * max(shrink * len(panels), 1.0))
    colour_bar(images[0], list(panels.ravel()[: len(cells)]), bar, shrink=shrink)


def _limits(values: xr.DataArray, *, alone: bool) -> tuple[float, float]:
    """Similarities of a population with itself reach 1; distances begin at 0."""
    low, high = finite_range(values)
    floor, ceiling = float(np.floor(low * 10)) / 10, float(np.ceil(high * 10)) / 10
    if values.attrs.get("kind") == "distance":
        return 0.0, max(ceiling, 0.1)
    return (min(floor, 0.9), 1.0) if alone and high <= 1 + 1e-6 else (floor, ceiling)


def _draw_rdms(place: SubFigure, panel: Panel, by: str | None) -> Axes:
    every = _shown(panel, by)
    times = evenly(len(panel.times), _SNAPSHOTS)
    side = _side(len(times), panel, by)
    panels = place.subplots(len(every), len(times), squeeze=False)
    limits = colour_limits(every)
    for row, one in zip(panels, every, strict=True):
        for axes, t in zip(row, times, strict=True):
            image = draw_rdm(axes, one.values[t], limits, one.groups)
            if one is every[0]:
                axes.set_title(title_of(one.when(t), side), fontsize="medium")
        name_groups(row[0], one.groups, side)
        row[0].set_ylabel(title_of(one.name, side))
    colour_bar(image, list(panels.ravel()), every[0].units, shrink=min(1.0, 1.6 / len(every)))
    return panels[0, 0]


def _shown(panel: Panel, by: str | None) -> list:
    single = len(panel.populations) == 1
    named = {
        ("" if single else " ".join(part for part in (area, model) if part))
        + (f" {name}" if len(panel.rdms) > 1 else ""): array.isel(
            model=panel.models.index(model), area=panel.areas.index(area), drop=True
        )
        for name, array in panel.rdms.items()
        for model, area in panel.populations
    }
    return shown(named, "geometry_panel", by=by)


_DRAW: Final = {"curves": _draw_curves, "matrices": _draw_matrices, "rdms": _draw_rdms}


def _known(results: xr.Dataset, panel: Panel) -> Mapping[str, object]:
    """Attributes of the note: those of the results and of their variables."""
    known = {str(name): value for name, value in results.attrs.items()}
    if "n_neuroids" in results.coords:
        numbers = np.unique(results["n_neuroids"].values)
        known["n_neuroids"] = "–".join(str(int(n)) for n in numbers[[0, -1]][: len(numbers)])
    if "rdm" in results and "units" in results["rdm"].attrs:
        known["rdm_method"] = results["rdm"].attrs["units"]
    if panel.rdms and "rdms" not in _parts(panel):
        known["n_rdms"] = len(panel.populations)
    if panel.left_out:
        known["left_out"] = ", ".join(label_of(name) for name in panel.left_out)
    level = results["rsa"].attrs.get("level") if "rsa" in results else None
    if level is not None and any(one.name.startswith("rsa") for one in panel.curves):
        known |= {"interval": "bootstrap over stimuli", "level": level}
    return known


def _curve_table(panel: Panel, one: Curve) -> pd.DataFrame:
    values = _long(panel, one.values, one.name)
    for limit, array in zip(LIMITS, (one.low, one.high), strict=True):
        values[limit] = np.nan if array is None else array.values.ravel().astype(float)
    return values


def _matrix_table(panel: Panel, name: str) -> pd.DataFrame:
    return _long(panel, panel.matrices[name], name)


def _long(panel: Panel, array: xr.DataArray, name: str) -> pd.DataFrame:
    """One row per value."""
    axes = [np.array(panel.models), np.array(panel.areas), panel.times]
    if array.ndim > len(axes):
        axes.append(other_times(array)[0])
    grids = np.meshgrid(*axes, indexing="ij")
    columns = dict(zip(("model", "area", "time", "time_b"), grids, strict=False))
    table = pd.DataFrame({key: grid.ravel().tolist() for key, grid in columns.items()})
    table.insert(0, "quantity", name)
    return table.assign(value=array.values.ravel().astype(float))


def _rdm_table(panel: Panel, by: str | None) -> pd.DataFrame:
    every = _shown(panel, by)
    times = evenly(len(panel.times), _SNAPSHOTS)
    pairs = pair_table(every, {i: times for i in range(len(every))})
    time = "timestep" if panel.in_steps else None
    middles = (pairs["time_bin_start"] + pairs["time_bin_end"]) / 2
    quantity, model, area = [], [], []
    n = len(pairs) // len(every)
    for name in panel.rdms:
        for own_model, own_area in panel.populations:
            quantity += [name] * n
            model += [own_model] * n
            area += [own_area] * n
    return pd.DataFrame(
        {
            "quantity": quantity,
            "model": model,
            "area": area,
            "time": pairs[time] if time else middles,
            "stimulus_id": pairs["stimulus_id"],
            "stimulus_id_b": pairs["stimulus_id_b"],
            "value": pairs["dissimilarity"],
        }
    )
