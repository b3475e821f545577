"""Linear centred kernel alignment between the states of a population at different times."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.gram import centre
from neurorec.populations import matched, patterns_of
from neurorec.populations.labels import (
    UNDEFINED,
    describe_bins,
    result_attrs,
    time_coords,
)

# Below this share of the Gram matrix's own norm a centred one is rounding error.
_CONSTANT_SHARE = 1e-12

_Kernels = Float64[Tensor, "time_bin stimulus stimulus"]


def linear_cka(
    source: Any,
    other: Any = None,
    *,
    debiased: bool = False,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Linear CKA of the responses to the same stimuli in every pair of time bins.

    With ``X`` and ``Y`` (stimulus, neuroid) centred over stimuli:

    .. math:: \mathrm{CKA} = \|Y^\top X\|_F^2 / (\|X^\top X\|_F \, \|Y^\top Y\|_F)

    computed in sample space, as the cosine of the centred Gram matrices. It does not change when
    neuroids are rotated or scaled as a whole.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); repetitions are
        averaged first.
    other
        A second population, matched by ``stimulus_id``; the time bins of ``source`` are then
        compared with its time bins.
    debiased
        Replace the inner products of Gram matrices by their unbiased estimates (diagonal left
        out, U-centred). With more neuroids than stimuli the plain measure is high whatever the
        responses; the debiased one is zero on average for independent populations and can be
        negative.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN for time bins in which all stimuli evoke the same.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b).

    Raises
    ------
    ValueError
        If there are fewer than three stimuli (four if debiased), a single time bin and no second
        population, stimuli differ, or activity is not finite or the same for all stimuli.

    References
    ----------
    Kornblith et al. (2019) ICML; unbiased estimate: Song et al. (2012) JMLR 13:1393, and
    Szekely and Rizzo (2014) Annals of Statistics 42:2382 for U-centring.
    """
    check_option("undefined", undefined, UNDEFINED)
    at_least = 4 if debiased else 3
    first = patterns_of(source, at_least=at_least, device=device)
    if other is None and len(first.products) < 2:
        raise ValueError(
            "CKA between time bins needs at least 2 of them, got 1; give a second population "
            "as `other`, or an assembly with a time axis"
        )
    second = first
    kernels = kernels_b = _unit_kernels(first.products, debiased, undefined)
    if other is not None:
        second = matched(first, patterns_of(other, at_least=at_least, device=device))
        kernels_b = _unit_kernels(second.products, debiased, undefined)
    values = torch.einsum("tij,sij->ts", kernels, kernels_b).cpu().numpy()
    return xr.DataArray(
        values,
        dims=(TIME_BIN, f"{TIME_BIN}_b"),
        coords=time_coords(first.labels) | time_coords(second.labels, suffix="_b"),
        attrs=result_attrs(
            first.labels,
            method="linear CKA, debiased" if debiased else "linear CKA",
            units="1",
            n_stimuli=first.n_rows,
            n_neuroids=first.n_neuroids,
            n_neuroids_b=second.n_neuroids,
        ),
        name="cka",
    )


def _unit_kernels(raw: _Kernels, debiased: bool, undefined: str) -> _Kernels:
    """Centred Gram matrices of Frobenius norm one."""
    centred = centre(raw)
    empty = torch.linalg.matrix_norm(centred) <= _CONSTANT_SHARE * torch.linalg.matrix_norm(raw)
    if empty.any() and undefined == "raise":
        raise ValueError(
            "CKA is undefined where all stimuli evoke the same response, as in "
            + describe_bins(np.asarray(empty.cpu()))
        )
    kernels = u_centred(centred) if debiased else centred
    kernels[empty] = torch.nan
    return kernels / torch.linalg.matrix_norm(kernels)[:, None, None]


def u_centred(kernels: _Kernels) -> _Kernels:
    r"""Gram matrices with zero diagonal whose inner products estimate HSIC without bias.

    With ``K`` the Gram matrix without its diagonal, for ``i`` other than ``j``,

    .. math::

        \tilde K_{ij} = K_{ij} - \frac{\sum_l K_{il} + \sum_l K_{lj}}{n - 2}
            + \frac{\sum_{lm} K_{lm}}{(n - 1)(n - 2)}.
    """
    n = kernels.shape[-1]
    hollow = kernels.clone()
    hollow.diagonal(dim1=-2, dim2=-1).zero_()
    sums = hollow.sum(dim=-1)
    total = sums.sum(dim=-1)[:, None, None]
    out = hollow - (sums[:, :, None] + sums[:, None, :]) / (n - 2) + total / ((n - 1) * (n - 2))
    out.diagonal(dim1=-2, dim2=-1).zero_()
    return out
