"""Centred kernel alignment between the states of populations at different times."""

from typing import Any

import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec.geometry._pairs import Kernels, Pair, Side, labelled, pair_of, require_defined_bins
from neurorec.gram import centre

# U-centred kernels below this share of the centred ones are rounding error.
_EQUAL_SHARE = 1e-12


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
        population, stimuli differ, or activity is not finite or the same for all stimuli; if
        debiased, also where all pairs of stimuli are equally far apart.

    References
    ----------
    Kornblith et al. (2019) ICML; unbiased estimate: Song et al. (2012) JMLR 13:1393, and
    Szekely and Rizzo (2014) Annals of Statistics 42:2382 for U-centring.
    """
    pair = _read(source, other, debiased, undefined, device)
    kernels = [side.kernels for side in pair.sides()]
    return _aligned(pair, kernels, debiased, undefined, method="linear CKA")


def rbf_cka(
    source: Any,
    other: Any = None,
    *,
    bandwidth: float | int = 1.0,
    debiased: bool = False,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""CKA of Gaussian kernels of the distances between responses.

    .. math::

        k(x_i, x_j) = \exp\left(-\frac{|x_i - x_j|^2}{2 (b m)^2}\right), \qquad
        m^2 = \mathrm{median}_{i < j} |x_i - x_j|^2

    Small bandwidths look at neighbours only; as it grows the measure becomes linear CKA.

    Parameters
    ----------
    source, other, debiased, undefined, device
        As in :func:`linear_cka`.
    bandwidth
        Standard deviation ``b`` of the kernel, as a multiple of the median distance ``m``. Pairs
        of different stimuli make the median; code of the authors counts the zeros of the
        diagonal too, which is less by a few pairs.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b).

    Raises
    ------
    ValueError
        As :func:`linear_cka`; if the bandwidth is not positive; and where more than half of the
        distances are zero.

    References
    ----------
    Kornblith et al. (2019) ICML, section 3.
    """
    if not 0 < bandwidth < float("inf"):
        raise ValueError(f"bandwidth must be a positive share of the median, got {bandwidth}")
    pair = _read(source, other, debiased, undefined, device)
    kernels = [_gaussian(side, float(bandwidth), undefined) for side in pair.sides()]
    return _aligned(
        pair, kernels, debiased, undefined, method="RBF CKA", bandwidth=float(bandwidth)
    )


def _read(source: Any, other: Any, debiased: bool, undefined: str, device: str) -> Pair:
    at_least = 4 if debiased else 3
    return pair_of(
        source, other, quantity="CKA", undefined=undefined, device=device, at_least=at_least
    )


def _aligned(
    pair: Pair, kernels: list[Tensor], debiased: bool, undefined: str, *, method: str, **attrs: Any
) -> xr.DataArray:
    """Cosines of kernels."""
    unit = [_unit(one, debiased, undefined) for one in kernels]
    return labelled(
        pair,
        torch.einsum("tij,sij->ts", unit[0], unit[-1]),
        name="cka",
        method=f"{method}, debiased" if debiased else method,
        units="1",
        kind="similarity",
        **attrs,
    )


def _unit(kernels: Kernels, debiased: bool, undefined: str) -> Kernels:
    """Centred kernels of Frobenius norm one; NaN where they vanish."""
    centred = centre(kernels)
    norms = torch.linalg.matrix_norm(centred)
    if debiased:
        centred = u_centred(centred)
        equal = torch.linalg.matrix_norm(centred) <= _EQUAL_SHARE * norms
        require_defined_bins(
            equal & (norms > 0),
            undefined,
            "debiased CKA is undefined where all pairs of stimuli are equally far apart",
        )
        norms = torch.linalg.matrix_norm(centred).masked_fill(equal, torch.nan)
    return centred / norms[:, None, None]


def _gaussian(side: Side, bandwidth: float, undefined: str) -> Kernels:
    """Gaussian kernels, from the inner products."""
    squares = side.kernels.diagonal(dim1=-2, dim2=-1)
    distances = (squares[:, :, None] + squares[:, None, :] - 2 * side.kernels).clamp_(min=0)
    medians = _medians(distances)
    # Distances of equal patterns are rounding, not zero.
    same = medians <= _EQUAL_SHARE * side.patterns.products.abs().amax(dim=(-2, -1))
    require_defined_bins(
        same & ~side.undefined,
        undefined,
        "RBF CKA is undefined where more than half of the pairs of stimuli evoke the same response",
    )
    width = (bandwidth**2 * medians).masked_fill(same, torch.nan)
    kernels = torch.exp(-distances / (2 * width)[:, None, None])
    kernels.diagonal(dim1=-2, dim2=-1).fill_(1)
    return kernels


def _medians(distances: Kernels) -> Float64[Tensor, " time_bin"]:
    """Medians over pairs of different stimuli; the mean of the middle two if there are two."""
    n = distances.shape[-1]
    rows, columns = torch.triu_indices(n, n, offset=1, device=distances.device)
    pairs = distances[:, rows, columns]
    count = pairs.shape[-1]
    low = pairs.kthvalue((count + 1) // 2, dim=-1).values
    return low if count % 2 else (low + pairs.kthvalue(count // 2 + 1, dim=-1).values) / 2


def u_centred(kernels: Kernels) -> Kernels:
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
