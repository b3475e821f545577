"""Assemblies across the border: ours carry plain coordinates, BrainIO's a MultiIndex per dimension.

The MultiIndex is made and unmade here and nowhere else.
"""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec import assemblies
from neurorec.assemblies import PRESENTATION, TIME_BIN
from neurorec.brainscore._import import import_brainscore

import_brainscore()

from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
    NeuroidAssembly,
)

TIME_BIN_LIMITS: Final = ("time_bin_start", "time_bin_end")

#: Start and end of a time bin, in ms from stimulus onset.
Limits = tuple[int | float, int | float]


def to_brainio(assembly: xr.DataArray) -> NeuroidAssembly:
    """Assembly as Brain-Score's metrics and benchmarks take it, values and labels unchanged.

    Every coordinate becomes a level of its dimension's MultiIndex. Brain-Score's static metrics
    want two dimensions: ``to_brainio(assembly).isel(time_bin=0, drop=True)``.

    Raises
    ------
    ValueError
        If ``assembly`` is none; see :func:`neurorec.assemblies.check`.
    """
    return NeuroidAssembly(assemblies.check(assembly))


def from_brainio(assembly: DataAssembly, *, time_bin_ms: Limits | None = None) -> xr.DataArray:
    """Plain assembly of a BrainIO one; the inverse of :func:`to_brainio`.

    Presentations without a ``repetition`` are numbered in the order in which their stimulus
    appears. The stimulus set that Brain-Score hangs on an assembly is left behind; see
    :func:`~neurorec.brainscore.stimulus_set_from_brainio`.

    Parameters
    ----------
    time_bin_ms
        Start and end, in ms from stimulus onset, of the one time bin of an assembly that has lost
        its dimension ``time_bin`` and no longer says when it was recorded.

    Raises
    ------
    ValueError
        If the time bin of a two-dimensional assembly is unknown, or given and known to be another,
        or a label that every assembly needs is missing.
    """
    plain = _without_multi_indexes(xr.DataArray(assembly))
    if TIME_BIN not in plain.dims:
        plain = _with_time_bin(plain, time_bin_ms)
    elif time_bin_ms is not None:
        raise ValueError(
            f"time_bin_ms={time_bin_ms} was given for an assembly that has {plain.sizes[TIME_BIN]} "
            "time bins of its own; leave it out"
        )
    if "repetition" not in plain.coords and "stimulus_id" in plain.coords:
        occurrence = _occurrence(plain["stimulus_id"].values)
        plain = plain.assign_coords(repetition=(PRESENTATION, occurrence))
    plain = plain.assign_coords({name: _tidy(plain[name]) for name in plain.coords})
    plain.attrs = {
        name: value for name, value in plain.attrs.items() if not isinstance(value, pd.DataFrame)
    }
    return assemblies.check(plain)


def _without_multi_indexes(assembly: xr.DataArray) -> xr.DataArray:
    indexed = [d for d in assembly.dims if isinstance(assembly.indexes.get(d), pd.MultiIndex)]
    return assembly.reset_index(indexed) if indexed else assembly


def _with_time_bin(assembly: xr.DataArray, time_bin_ms: Limits | None) -> xr.DataArray:
    """``assembly`` with a dimension of one time bin, from its own scalar labels or as given."""
    known = _scalar_time_bin(assembly)
    limits = time_bin_ms if known is None else known
    if limits is None:
        raise ValueError(
            f"the assembly has dimensions {tuple(assembly.dims)} and does not say when it was "
            "recorded; pass time_bin_ms=(start, end)"
        )
    if known is not None and time_bin_ms is not None and known != time_bin_ms:
        raise ValueError(
            f"time_bin_ms={time_bin_ms} was given for an assembly of the time bin {known}; "
            "leave it out"
        )
    scalars = [name for name in (*TIME_BIN_LIMITS, TIME_BIN) if name in assembly.coords]
    coords = {name: (TIME_BIN, [float(x)]) for name, x in zip(TIME_BIN_LIMITS, limits, strict=True)}
    return assembly.drop_vars(scalars).expand_dims(TIME_BIN).assign_coords(coords)


def _scalar_time_bin(assembly: xr.DataArray) -> Limits | None:
    """Start and end of the bin that a selection or a squeeze has left as scalar labels."""
    if all(name in assembly.coords for name in TIME_BIN_LIMITS):
        return float(assembly[TIME_BIN_LIMITS[0]]), float(assembly[TIME_BIN_LIMITS[1]])
    if TIME_BIN in assembly.coords:  # the entry of the MultiIndex
        start, end, *_ = assembly[TIME_BIN].item()
        return float(start), float(end)
    return None


def _tidy(coordinate: xr.DataArray) -> tuple:
    """Strings as strings (a MultiIndex keeps objects) and units on the limits of time bins."""
    values = coordinate.values
    if values.dtype == object and all(isinstance(value, str) for value in values.flat):
        values = values.astype(str)
    attrs = {"units": "ms"} if coordinate.name in TIME_BIN_LIMITS else coordinate.attrs
    return coordinate.dims, values, attrs


def _occurrence(identifiers: np.ndarray) -> np.ndarray:
    """How often each identifier has come before."""
    return pd.Series(identifiers).groupby(identifiers).cumcount().to_numpy(dtype=np.int64)
