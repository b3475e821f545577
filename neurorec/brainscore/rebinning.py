"""Responses in the time bins of a benchmark."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec.assemblies import NEUROID, PRESENTATION, columns_of
from neurorec.brainscore.time_bins import TimeBins, as_time_bins


def rebinned(
    responses: xr.DataArray, *, time_bins: Any = None, rebin_ms: float | int | None = None
) -> xr.DataArray:
    """Means of the responses over the bins inside of each new one.

    Parameters
    ----------
    time_bins
        Start and end of each, in ms from stimulus onset; as they are if left out.
    rebin_ms
        Width of bins from the start of the first on, instead; a rest at the end is left out.

    Raises
    ------
    ValueError
        If both are given, or a new bin is not made of whole ones.
    """
    if time_bins is None and rebin_ms is None:
        return responses
    if time_bins is not None and rebin_ms is not None:
        raise ValueError(
            "time_bins and rebin_ms were both given; give the bins themselves, or their width"
        )
    if rebin_ms is not None:
        return assemblies.window(
            responses,
            start_ms=float(responses["time_bin_start"].values.min()),
            stop_ms=float(responses["time_bin_end"].values.max()),
            width_ms=rebin_ms,
        )
    return _joined(responses, as_time_bins(time_bins))


def _joined(responses: xr.DataArray, bins: TimeBins) -> xr.DataArray:
    parts = [assemblies.window(responses, start_ms=start, stop_ms=end) for start, end in bins]
    starts, ends = np.array(bins).T
    return assemblies.build(
        np.concatenate([part.values for part in parts], axis=2),
        presentation=columns_of(responses, PRESENTATION),
        neuroid=columns_of(responses, NEUROID),
        time_bin_start=starts,
        time_bin_end=ends,
        attrs=responses.attrs,
    )
