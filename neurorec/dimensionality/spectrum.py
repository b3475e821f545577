"""Eigenvalues of a population's covariance over stimuli, held in sample space."""

from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.dimensionality.curves import curve, own_attrs
from neurorec.gram import centre
from neurorec.populations import Patterns, patterns_of
from neurorec.populations.labels import UNDEFINED, describe_bins, time_coords

COMPONENT: Final = "component"

_Kernels = Float64[Tensor, "time_bin stimulus stimulus"]

# Below this share of the Gram matrix's own trace a centred one is rounding error.
_CONSTANT_SHARE = 1e-12


def eigenspectrum(source: Any, *, undefined: str = "raise", device: str = "cpu") -> xr.DataArray:
    r"""Variances of the principal components of the responses over stimuli, largest first.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep), not rescaled;
        repetitions are averaged first.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where all stimuli evoke the same response.

    Returns
    -------
    xr.DataArray
        Eigenvalues (time_bin, component) of the covariance of neuroids, in the squared unit of the
        responses; components count from 1.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, activity is not finite, or the same for all.
    """
    patterns, kernels, flat = centred_gram(source, undefined=undefined, device=device)
    values = eigenvalues(kernels, patterns.rounding).cpu().numpy() / (patterns.n_rows - 1)
    values[flat] = np.nan
    return spectrum_of(patterns, values[:, : n_directions(patterns)], name="eigenspectrum")


def effective_rank(source: Any, *, undefined: str = "raise", device: str = "cpu") -> xr.DataArray:
    r"""Exponential of the entropy of the eigenvalues as shares of the variance, per time bin.

    .. math:: \exp \Big( - \sum_k p_k \log p_k \Big), \qquad p_k = \lambda_k / \sum_j \lambda_j

    Roy and Vetterli (2007) define it for the singular values of a matrix; the matrix here is the
    covariance of neuroids over stimuli. It lies between the participation ratio, which is the
    exponential of the Rényi entropy of order 2 of the same shares, and the rank.

    Parameters
    ----------
    source, undefined
        As for :func:`participation_ratio`.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, activity is not finite, or the same for all.

    References
    ----------
    Roy and Vetterli (2007) *EUSIPCO*, 606-610.
    """
    patterns, kernels, flat = centred_gram(source, undefined=undefined, device=device)
    values = eigenvalues(kernels, patterns.rounding)
    shares = values / values.sum(dim=1, keepdim=True)
    ranks = torch.special.entr(shares).sum(dim=1).exp().cpu().numpy()
    ranks[flat] = np.nan
    return curve(patterns, ranks, name="effective_rank", units="dimensions")


def centred_gram(
    source: Any, *, undefined: str, device: str
) -> tuple[Patterns, _Kernels, Bool[np.ndarray, " time_bin"]]:
    """Patterns of the stimuli, their centred Gram matrices, and where nothing varies.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, or, with ``undefined="raise"``, a time bin in
        which all stimuli evoke the same response.
    """
    check_option("undefined", undefined, UNDEFINED)
    patterns = patterns_of(source, device=device)
    flat = require_variance(patterns, undefined=undefined)
    return patterns, centre(patterns.products), flat


def require_variance(patterns: Patterns, *, undefined: str) -> Bool[np.ndarray, " time_bin"]:
    """Time bins in which all rows are the same response, up to rounding.

    Raises
    ------
    ValueError
        With ``undefined="raise"``, if there is one.
    """
    total = _trace(patterns.products)
    left = total - patterns.products.mean(dim=(1, 2)) * patterns.n_rows
    flat = np.asarray((left <= _CONSTANT_SHARE * total).cpu())
    if flat.any() and undefined == "raise":
        raise ValueError(
            "dimensionality is undefined where all stimuli evoke the same response, as in "
            + describe_bins(flat)
        )
    return flat


def ratio(kernels: Float64[Tensor, "*any stimulus stimulus"]) -> Float64[Tensor, "*any"]:
    r"""Participation ratio of the covariance, :math:`(\mathrm{tr} K)^2 / \|K\|_F^2`."""
    return _trace(kernels) ** 2 / (kernels**2).sum(dim=(-2, -1))


def n_directions(patterns: Patterns) -> int:
    """Largest rank that the covariance can have."""
    return min(len(set(patterns.stimulus_ids)) - 1, patterns.n_neuroids)


def spectrum_of(
    patterns: Patterns,
    values: Float64[np.ndarray, "time_bin component"],
    *,
    name: str,
    **attrs: Any,
) -> xr.DataArray:
    """Variances of components, labelled."""
    return xr.DataArray(
        values,
        dims=(TIME_BIN, COMPONENT),
        coords=time_coords(patterns.labels) | {COMPONENT: np.arange(1, values.shape[1] + 1)},
        attrs=own_attrs(patterns, units="squared units of the responses", **attrs),
        name=name,
    )


def _trace(kernels: Tensor) -> Tensor:
    return kernels.diagonal(dim1=-2, dim2=-1).sum(dim=-1)


def eigenvalues(
    kernels: _Kernels, rounding: Float64[Tensor, " time_bin"]
) -> Float64[Tensor, "time_bin component"]:
    """Eigenvalues, largest first; those below ``rounding`` are zero."""
    values = torch.linalg.eigvalsh(kernels).flip(-1)
    floor = values[:, :1].clamp(min=0) * kernels.shape[-1] * torch.finfo(torch.float64).eps
    floor = torch.maximum(floor, rounding[:, None])
    return torch.where(values > floor, values, 0.0)
