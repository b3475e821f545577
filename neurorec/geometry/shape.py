"""Shape metrics between populations: Procrustes distance and its partially whitened family."""

from typing import Any

import torch
import xarray as xr
from jaxtyping import Float64, Int
from torch import Tensor

from neurorec.geometry._pairs import Pair, labelled, over_pairs, pair_of
from neurorec.geometry.principal import Axes, principal_axes, require_room


def shape_distance(
    source: Any,
    other: Any = None,
    *,
    alpha: float | int = 1.0,
    angular: bool = True,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Distance of the responses in every pair of time bins after the best rotation.

    Responses (stimulus, neuroid) are centred over stimuli and partially whitened,

    .. math:: X^\phi = X \left(\alpha I + (1 - \alpha) (X^\top X)^{-1/2}\right),

    and one of them is rotated or reflected onto the other, with
    :math:`\nu = \max_Q \langle X^\phi, Y^\phi Q \rangle = \|{X^\phi}^\top Y^\phi\|_*`:

    .. math::

        d_{angular} = \arccos \frac{\nu}{|X^\phi| |Y^\phi|}, \qquad
        d_{euclidean} = \sqrt{|X^\phi|^2 + |Y^\phi|^2 - 2 \nu}.

    With eigenvectors ``U`` and eigenvalues ``s`` of the Gram matrices,
    :math:`X^\phi = U_x (\alpha s_x^{1/2} + 1 - \alpha) R` for some rotation ``R``, so that the
    nuclear norm is that of a product of two matrices with as many columns as stimuli at most.
    Populations with different numbers of units are compared as if zeros were added to one.

    Both distances are metrics for every ``alpha``: symmetric, zero for populations that are equal
    up to a rotation, and with the triangle inequality. As ``arccos`` and the root turn a relative
    rounding error of 1e-16 into 1e-8, equal populations may be that far apart.

    Parameters
    ----------
    source, other, undefined, device
        As in :func:`linear_cka`.
    alpha
        1 is Procrustes distance, invariant to rotations; 0 whitens fully, and is invariant to
        all invertible linear maps, as CCA is. In between the measure depends on the units of the
        activity, by the definition of the authors.
    angular
        In radian between 0 and pi / 2, without regard to scale where ``alpha`` is 1; otherwise in
        units of the activity, summed over stimuli and neuroids.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b).

    Raises
    ------
    ValueError
        As :func:`linear_cka`; if ``alpha`` is not between 0 and 1; and with ``alpha=0`` where a
        population spans all stimuli, which are then at a distance of zero from all others that do.

    References
    ----------
    Williams et al. (2021) NeurIPS, "Generalized shape metrics on neural representations".
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 (whitened) and 1 (Procrustes), got {alpha}")
    pair = pair_of(source, other, quantity="shape distance", undefined=undefined, device=device)
    axes = [principal_axes(side) for side in pair.sides()]
    if alpha == 0:
        pair = _with_room(pair, axes, undefined)
    coordinates = [_coordinates(one, float(alpha), angular) for one in axes]
    first, second = coordinates[0], coordinates[-1]
    measure = _angles if angular else _distances
    values = over_pairs(
        lambda rows, columns: measure(first, second, rows, columns),
        pair,
        numbers=max(first[0].numel(), second[0].numel()),
        identity=0.0,
    )
    return labelled(
        pair,
        values,
        name="shape_distance",
        method=f"shape distance, {'angular' if angular else 'Euclidean'}, alpha={float(alpha):g}",
        units="radian" if angular else "activity, summed over stimuli and neuroids",
        kind="distance",
        alpha=float(alpha),
    )


def _with_room(pair: Pair, axes: list[Axes], undefined: str) -> Pair:
    sides = [
        require_room(side, one, "a whitened shape distance", undefined)
        for side, one in zip(pair.sides(), axes, strict=True)
    ]
    return Pair(first=sides[0], second=sides[-1], alone=pair.alone)


_Coordinates = Float64[Tensor, "time_bin stimulus axis"]
_CoordinatesB = Float64[Tensor, "time_bin_b stimulus axis_b"]
_Positions = Int[Tensor, " pair"]


def _coordinates(axes: Axes, alpha: float, angular: bool) -> _Coordinates:
    """Partially whitened responses in their principal axes; of norm one for angles."""
    variances = axes.variances
    scales = torch.where(variances > 0, alpha * variances.sqrt() + (1 - alpha), 0.0)
    if angular:
        norms = torch.linalg.vector_norm(scales, dim=-1, keepdim=True)
        scales = torch.where(norms > 0, scales / norms, 0.0)
    return axes.vectors * scales[:, None, :]


def _nuclear_norms(
    a: Float64[Tensor, "pair stimulus axis"], b: Float64[Tensor, "pair stimulus axis_b"]
) -> Float64[Tensor, " pair"]:
    return torch.linalg.svdvals(a.mT @ b).sum(dim=-1)


def _angles(
    first: _Coordinates, second: _CoordinatesB, rows: _Positions, columns: _Positions
) -> Float64[Tensor, " pair"]:
    return torch.arccos(_nuclear_norms(first[rows], second[columns]).clamp(max=1))


def _distances(
    first: _Coordinates, second: _CoordinatesB, rows: _Positions, columns: _Positions
) -> Float64[Tensor, " pair"]:
    squares = [x.square().sum(dim=(-2, -1)) for x in (first, second)]
    nuclear = _nuclear_norms(first[rows], second[columns])
    return (squares[0][rows] + squares[1][columns] - 2 * nuclear).clamp(min=0).sqrt()
