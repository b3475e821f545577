"""The number of principal components that hold a share of the variance, over time."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec.dimensionality.curves import curve
from neurorec.dimensionality.spectrum import centred_gram, eigenvalues

# A cumulative share this close below the asked fraction has reached it: the last component of a
# spectrum brings the sum to one only up to rounding.
_ROUNDING = 1e-12


def n_components(
    source: Any,
    *,
    fraction: float = 0.9,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Smallest number of principal components with a cumulative variance of ``fraction``.

    .. math:: \min \{k : \textstyle\sum_{j \le k} \lambda_j \ge f \sum_j \lambda_j\}

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep), not rescaled;
        repetitions are averaged first.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where all stimuli evoke the same response.

    Raises
    ------
    ValueError
        If ``fraction`` is not in (0, 1], there are fewer than three stimuli, or activity is not
        finite or the same for all stimuli.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    patterns, kernels, flat = centred_gram(source, undefined=undefined, device=device)
    values = eigenvalues(kernels, patterns.rounding).cpu().numpy()
    cumulative = np.cumsum(values, axis=1)
    with np.errstate(invalid="ignore"):
        share = cumulative / cumulative[:, -1:]
    counts = 1.0 + (share < fraction - _ROUNDING).sum(axis=1)
    counts[flat] = np.nan
    return curve(patterns, counts, name="n_components", units="components", fraction=fraction)
