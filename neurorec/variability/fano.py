"""Variance over repetitions against the mean."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from neurorec.assemblies import NEUROID, TIME_BIN, check
from neurorec.stats.repetitions import Trials, by_stimulus

_FEWEST_STIMULI = 3


def fano_factor(assembly: xr.DataArray) -> xr.DataArray:
    r"""Variance over repetitions divided by the mean, averaged over stimuli.

    .. math:: F = \left\langle \frac{\mathrm{Var}_k(r)}{\mathrm{mean}_k(r)} \right\rangle

    1 for a Poisson process, however low its rate.

    Parameters
    ----------
    assembly
        Spike counts, or other non-negative activity, of single trials; NaN marks a missing
        repetition. Stimuli with fewer than two repetitions, or without any spike, are left out
        for that neuroid and time bin.

    Returns
    -------
    DataArray
        Dimensions (neuroid, time_bin). NaN where every stimulus was left out, since silence has
        no Fano factor; the attribute ``n_undefined`` counts those.

    Raises
    ------
    ValueError
        If activity is negative, or no stimulus is repeated.
    """
    means, variances = _moments(assembly)
    usable = (means > 0) & np.isfinite(variances)
    ratios = np.where(usable, variances, 0) / np.where(usable, means, 1)
    return _result(_ratio(ratios.sum(axis=0), usable.sum(axis=0)), assembly, "Fano factor")


def mean_variance_slope(assembly: xr.DataArray) -> xr.DataArray:
    r"""Slope over stimuli of the log variance over repetitions on the log mean.

    .. math:: \log \mathrm{Var}_k(r) = a + b \log \mathrm{mean}_k(r)

    by least squares; 1 for a Poisson process, 2 where the standard deviation is proportional to
    the mean. With few repetitions the noise of the means flattens it.

    Parameters
    ----------
    assembly
        As for :func:`fano_factor`. Stimuli with a mean or a variance of 0 have no logarithm and
        are left out.

    Returns
    -------
    DataArray
        Dimensions (neuroid, time_bin). NaN where fewer than three stimuli of different mean are
        left; the attribute ``n_undefined`` counts those.

    Raises
    ------
    ValueError
        If activity is negative, or no stimulus is repeated.
    """
    means, variances = _moments(assembly)
    usable = (means > 0) & (np.nan_to_num(variances) > 0)
    x = np.log(np.where(usable, means, 1))
    y = np.log(np.where(usable, variances, 1))
    count = usable.sum(axis=0)
    x = (x - _ratio(x.sum(axis=0), count)) * usable
    slope = _ratio((x * y).sum(axis=0), (x**2).sum(axis=0))
    slope = np.where(count >= _FEWEST_STIMULI, slope, np.nan)
    return _result(slope, assembly, "slope of log variance on log mean")


def _moments(
    assembly: xr.DataArray,
) -> tuple[
    Float[np.ndarray, "stimulus neuroid time_bin"], Float[np.ndarray, "stimulus neuroid time_bin"]
]:
    trials: Trials = by_stimulus(check(assembly))
    least = np.nanmin(trials.values)
    if least < 0:
        raise ValueError(
            f"a ratio of variance to mean needs non-negative activity, got {least:g}; "
            "give spike counts or rectified activity"
        )
    if trials.counts().max() < 2:
        raise ValueError(
            f"variability needs at least 2 repetitions of some stimulus, got {len(trials.groups)} "
            f"presentations of {trials.n_stimuli} stimuli; give single trials, not their means"
        )
    return trials.means(), trials.variances()


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient; NaN where ``below`` is 0."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _result(values: np.ndarray, assembly: xr.DataArray, name: str) -> xr.DataArray:
    coords: dict[Any, Any] = {
        key: coordinate
        for key, coordinate in assembly.coords.items()
        if coordinate.dims in ((NEUROID,), (TIME_BIN,))
    }
    attrs = {"long_name": name, "n_undefined": int(np.isnan(values).sum())}
    return xr.DataArray(values, dims=(NEUROID, TIME_BIN), coords=coords, attrs=attrs)
