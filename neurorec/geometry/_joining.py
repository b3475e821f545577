"""Results of several populations along a further dimension."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.populations.labels import CONDITION, CONDITION_B

#: What must be the same in all populations of one panel.
_SAME = ("time_bin_start", "time_bin_end")


def in_one_order(panels: Mapping[str | None, xr.Dataset]) -> dict[str | None, xr.Dataset]:
    """With conditions in the order of the first.

    Raises
    ------
    ValueError
        If they have different stimuli.
    """
    first = next(iter(panels.values()))
    if CONDITION not in first.dims:
        return dict(panels)
    ids = first["stimulus_id"].values.tolist()
    ordered: dict[str | None, xr.Dataset] = {}
    for name, panel in panels.items():
        position = {one: i for i, one in enumerate(panel["stimulus_id"].values.tolist())}
        if set(position) != set(ids):
            raise ValueError(
                f"the models saw different stimuli: {len(ids)} in {next(iter(panels))!r}, "
                f"{len(position)} in {name!r}, {len(set(ids) & set(position))} in both; record "
                "the same stimuli with all"
            )
        take = [position[one] for one in ids]
        ordered[name] = panel.isel({CONDITION: take, CONDITION_B: take})
    return ordered


def joined(panels: Mapping[str | None, xr.Dataset], dim: str) -> xr.Dataset:
    """Panels along a new dimension; a single one without a name stays as it is.

    Coordinates that differ get the new dimension, attributes that differ are dropped.

    Raises
    ------
    ValueError
        If they have different variables, stimuli or time bins.
    """
    first = next(iter(panels.values()))
    if list(panels) == [None]:
        return first
    for name, panel in panels.items():
        _require_alike(next(iter(panels)), first, name, panel, dim)
    every = list(panels.values())
    variables = {name: _stacked([p[name] for p in every], dim) for name in first.data_vars}
    coords = {
        name: _same_or_stacked([p.coords[name] for p in every], dim)
        for name in first.coords
        if all(name in p.coords for p in every)
    }
    names = np.array([str(name) for name in panels])
    return xr.Dataset(variables, coords | {dim: names}, attrs=_same_attrs(p.attrs for p in every))


def _require_alike(
    first: str | None, one: xr.Dataset, name: str | None, other: xr.Dataset, dim: str
) -> None:
    for axis in _SAME:
        if not np.array_equal(one[axis].values, other[axis].values):
            raise ValueError(
                f"{dim}s of one panel have the same time bins; {first!r} has "
                f"{one.sizes[TIME_BIN]} and {name!r} has {other.sizes[TIME_BIN]}, or others; "
                "select the time bins of both, or make a panel of each"
            )
    if one.attrs["n_stimuli"] != other.attrs["n_stimuli"]:
        raise ValueError(
            f"{dim}s of one panel have the same stimuli; {first!r} has {one.attrs['n_stimuli']} "
            f"and {name!r} has {other.attrs['n_stimuli']}; record the same stimuli with all"
        )
    for variable in one.data_vars:
        if variable not in other or one[variable].shape != other[variable].shape:
            raise ValueError(
                f"{variable!r} of {first!r} and {name!r} differ in their sizes; give the measure "
                "options that make them the same, or make a panel of each"
            )


def _stacked(arrays: list[xr.DataArray], dim: str) -> tuple[Any, ...]:
    values = np.stack([array.values for array in arrays])
    return (dim, *arrays[0].dims), values, _same_attrs(array.attrs for array in arrays)


def _same_or_stacked(arrays: list[xr.DataArray], dim: str) -> tuple[Any, ...]:
    one = arrays[0]
    if all(np.array_equal(one.values, array.values) for array in arrays):
        return one.dims, one.values, one.attrs
    return _stacked(arrays, dim)


def _same_attrs(every: Any) -> dict[Hashable, Any]:
    """Attributes that all have and that are the same."""
    first, *others = every
    return {
        name: value
        for name, value in first.items()
        if all(name in other and np.array_equal(other[name], value) for other in others)
    }


def require_defined(panel: xr.Dataset, measures: Iterable[str]) -> None:
    """Refuse a measure of which every value of every variable is NaN.

    Raises
    ------
    ValueError
        If there is one.
    """
    names = sorted(measures, key=len, reverse=True)
    of = {n: next((m for m in names if _is_of(str(n), m)), None) for n in panel.data_vars}
    for measure in names:
        own = [v for n, v in panel.data_vars.items() if of[n] == measure]
        numbers = [v for v in own if v.dtype.kind == "f" and v.size]
        if numbers and all(bool(np.isnan(v.values).all()) for v in numbers):
            raise ValueError(
                f"{measure} is undefined in all {panel.sizes[TIME_BIN]} time bins: all stimuli "
                "evoke the same response, patterns are constant, or stimuli are too few for it; "
                'undefined="raise" says which'
            )


def _is_of(variable: str, measure: str) -> bool:
    return variable == measure or variable.startswith(f"{measure}_")
