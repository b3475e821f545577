"""Measures as labelled curves over time bins."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.populations import Patterns
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs, time_coords


def curve(
    patterns: Patterns,
    values: Float[np.ndarray, " time_bin"] | Float[Tensor, " time_bin"],
    *,
    name: str,
    units: str,
    **attrs: Any,
) -> xr.DataArray:
    """One number per time bin, with the labels of the population it is of."""
    return xr.DataArray(
        _numpy(values),
        dims=(TIME_BIN,),
        coords=time_coords(patterns.labels),
        attrs=own_attrs(patterns, units=units, **attrs),
        name=name,
    )


def curves(
    patterns: Patterns, values: Mapping[str, Any], *, units: Mapping[str, str], **attrs: Any
) -> xr.Dataset:
    """Several numbers per time bin; those without an entry in ``units`` have those of the first."""
    first = next(iter(values))
    return xr.Dataset(
        {
            name: (TIME_BIN, _numpy(one), {"units": units.get(name, units[first])})
            for name, one in values.items()
        },
        coords=time_coords(patterns.labels),
        attrs=own_attrs(patterns, **attrs),
    )


def own_attrs(patterns: Patterns, **attrs: Any) -> dict[str, Any]:
    """``attrs`` with the sizes of the population and where its activity came from."""
    n_stimuli = len(set(patterns.stimulus_ids))
    return result_attrs(
        patterns.labels, **attrs, n_stimuli=n_stimuli, n_neuroids=patterns.n_neuroids
    )


def where_defined(
    values: Float[np.ndarray, "*any time_bin"],
    undefined_bins: Bool[np.ndarray, " time_bin"],
    *,
    undefined: str,
    because: str,
) -> Float[np.ndarray, "*any time_bin"]:
    """``values`` with NaN in undefined time bins.

    Raises
    ------
    ValueError
        With ``undefined="raise"``, if there is such a time bin.
    """
    check_option("undefined", undefined, UNDEFINED)
    if undefined_bins.any() and undefined == "raise":
        raise ValueError(f"{because}, as in {describe_bins(undefined_bins)}")
    return np.where(undefined_bins, np.nan, values)


def _numpy(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
