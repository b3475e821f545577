"""Linear centred kernel alignment between the states of a population at different times."""

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN
from neurorec.geometry._patterns import (
    UNDEFINED,
    describe_bins,
    one_per_stimulus,
    result_attrs,
    time_coords,
)
from neurorec.gram import centre, gram

# Below this share of the Gram matrix's own norm a centred one is rounding error.
_CONSTANT_SHARE = 1e-12

_Kernels = Float64[Tensor, "time_bin stimulus stimulus"]


def linear_cka(
    assembly: xr.DataArray,
    other: xr.DataArray | None = None,
    *,
    debiased: bool = False,
    undefined: str = "raise",
    device: str = "cpu",
    block: int = 4096,
) -> xr.DataArray:
    r"""Linear CKA of the responses to the same stimuli in every pair of time bins.

    With ``X`` and ``Y`` (stimulus, neuroid) centred over stimuli:

    .. math:: \mathrm{CKA} = \|Y^\top X\|_F^2 / (\|X^\top X\|_F \, \|Y^\top Y\|_F)

    computed in sample space, as the cosine of the centred Gram matrices. It does not change when
    neuroids are rotated or scaled as a whole.

    Parameters
    ----------
    assembly
        Activity; repetitions are averaged first.
    other
        A second population, matched by ``stimulus_id``; the time bins of ``assembly`` are then
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
    patterns = one_per_stimulus(assembly, at_least=4 if debiased else 3)
    if other is None and patterns.sizes[TIME_BIN] < 2:
        raise ValueError(
            "CKA between time bins needs at least 2 of them, got 1; give a second population "
            "as `other`, or an assembly with a time axis"
        )
    second = patterns if other is None else _matched(patterns, other, debiased)
    kernels = _unit_kernels(patterns, debiased, undefined, device, block)
    kernels_b = (
        kernels if other is None else _unit_kernels(second, debiased, undefined, device, block)
    )
    values = torch.einsum("tij,sij->ts", kernels, kernels_b).cpu().numpy()
    return xr.DataArray(
        values,
        dims=(TIME_BIN, f"{TIME_BIN}_b"),
        coords=time_coords(patterns) | time_coords(second, suffix="_b"),
        attrs=result_attrs(
            patterns,
            method="linear CKA, debiased" if debiased else "linear CKA",
            units="1",
            n_stimuli=patterns.sizes[PRESENTATION],
            n_neuroids=patterns.sizes[NEUROID],
            n_neuroids_b=second.sizes[NEUROID],
        ),
        name="cka",
    )


def _matched(patterns: xr.DataArray, other: xr.DataArray, debiased: bool) -> xr.DataArray:
    """The second population with stimuli in the order of the first."""
    second = one_per_stimulus(other, at_least=4 if debiased else 3)
    ids, ids_b = patterns["stimulus_id"].values.tolist(), second["stimulus_id"].values.tolist()
    if set(ids) != set(ids_b):
        raise ValueError(
            f"the populations saw different stimuli: {len(ids)} in the first, {len(ids_b)} in "
            f"the second, {len(set(ids) & set(ids_b))} in both; select the stimuli both have"
        )
    position = {identifier: i for i, identifier in enumerate(ids_b)}
    return second.isel(presentation=[position[identifier] for identifier in ids])


def _unit_kernels(
    patterns: xr.DataArray, debiased: bool, undefined: str, device: str, block: int
) -> _Kernels:
    """Centred Gram matrices of Frobenius norm one."""
    raw = gram(patterns, device=device, block=block)
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
