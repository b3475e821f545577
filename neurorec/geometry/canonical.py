"""Mean canonical correlation between populations: CCA, SVCCA and PWCCA."""

from typing import Any, Final

import torch
import xarray as xr
from jaxtyping import Float64, Int
from torch import Tensor

from neurorec._checks import check_option
from neurorec.geometry._pairs import Pair, labelled, over_pairs, pair_of
from neurorec.geometry.principal import Axes, principal_axes, require_room

#: What canonical correlations are averaged with: all the same, or by how much of the first
#: population's variance their directions hold.
WEIGHTINGS: Final = ("equal", "projection")


def cca(
    source: Any,
    other: Any = None,
    *,
    kept_variance: float | int = 1.0,
    weighting: str = "equal",
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Mean canonical correlation of the responses in every pair of time bins.

    Canonical correlations are the singular values ``rho`` of the product of orthonormal bases of
    both populations over stimuli, here eigenvectors of their centred Gram matrices:

    .. math::

        U_x^\top U_y = P \, \mathrm{diag}(\rho) \, Q^\top, \qquad
        \mathrm{CCA} = \frac{\sum_i w_i \rho_i}{\sum_i w_i}, \quad i \le \min(r_x, r_y).

    All weights are 1 in CCA and SVCCA. With ``weighting="projection"`` they are
    :math:`w_i = |X^\top h_i|^2` with the canonical variables :math:`h = U_x P`.

    It does not change when responses are mapped linearly and invertibly.

    Parameters
    ----------
    source, other, undefined, device
        As in :func:`linear_cka`; NaN also takes the place of time bins that span all stimuli.
    kept_variance
        Share of the variance whose leading principal components are kept first; SVCCA with 0.99.
    weighting
        One of ``WEIGHTINGS``. ``"projection"`` is PWCCA with squares in the place of absolute
        values, :math:`\sum_j |\langle h_i, x_j \rangle|`, of the authors: those depend on the
        axes of single units and are no function of inner products between stimuli. It depends on
        which population comes first.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b), between 0 and 1.

    Raises
    ------
    ValueError
        As :func:`linear_cka`; if an option is unknown; and where a population spans all stimuli,
        as it does with as many units as stimuli less one: every correlation is then 1. Where
        ranks add up to more than that, some of them are 1 for the same reason.

    References
    ----------
    Raghu et al. (2017) NeurIPS (SVCCA); Morcos et al. (2018) NeurIPS (PWCCA); Kornblith et al.
    (2019) ICML, table 1 and appendix, for squares as weights.
    """
    check_option("weighting", weighting, WEIGHTINGS)
    if not 0 < kept_variance <= 1:
        raise ValueError(f"kept_variance must be above 0 and at most 1, got {kept_variance}")
    pair = pair_of(source, other, quantity="CCA", undefined=undefined, device=device)
    axes = [_axes(principal_axes(side), float(kept_variance)) for side in pair.sides()]
    sides = [
        require_room(side, one, "CCA", undefined)
        for side, one in zip(pair.sides(), axes, strict=True)
    ]
    pair = Pair(first=sides[0], second=sides[-1], alone=pair.alone)
    first, second = axes[0], axes[-1]
    reduce = _weighted if weighting == "projection" else _mean
    values = over_pairs(
        lambda rows, columns: reduce(first, second, rows, columns),
        pair,
        numbers=max(first.vectors[0].numel(), second.vectors[0].numel()),
        identity=1.0 if weighting == "equal" else None,
    )
    return labelled(
        pair,
        values,
        name="cca",
        method=_method(float(kept_variance), weighting),
        units="mean canonical correlation",
        kind="similarity",
        kept_variance=float(kept_variance),
    )


def _axes(axes: Axes, kept_variance: float) -> Axes:
    return axes if kept_variance == 1 else axes.keeping(kept_variance)


def _method(kept_variance: float, weighting: str) -> str:
    name = "CCA" if kept_variance == 1 else "SVCCA"
    return f"{name}, weighted by projection (squares)" if weighting == "projection" else name


_Positions = Int[Tensor, " pair"]


def _mean(
    first: Axes, second: Axes, rows: _Positions, columns: _Positions
) -> Float64[Tensor, " pair"]:
    core = first.vectors[rows].mT @ second.vectors[columns]
    n_correlations = torch.minimum(first.ranks[rows], second.ranks[columns])
    return torch.linalg.svdvals(core).clamp(max=1).sum(dim=-1) / n_correlations


def _weighted(
    first: Axes, second: Axes, rows: _Positions, columns: _Positions
) -> Float64[Tensor, " pair"]:
    core = first.vectors[rows].mT @ second.vectors[columns]
    p, rho, _ = torch.linalg.svd(core, full_matrices=False)
    variances = first.variances[rows]
    weights = (p.square() * variances[:, :, None]).sum(dim=-2)
    # All axes of the first have a partner: whatever basis the singular vectors of zero chose,
    # the weights add up to the whole variance.
    n_correlations = torch.minimum(first.ranks[rows], second.ranks[columns])[:, None]
    counted = torch.arange(rho.shape[-1], device=rho.device) < n_correlations
    total = torch.where(
        first.ranks[rows] <= second.ranks[columns],
        variances.sum(dim=-1),
        (weights * counted).sum(dim=-1),
    )
    return (weights * rho.clamp(max=1) * counted).sum(dim=-1) / total
