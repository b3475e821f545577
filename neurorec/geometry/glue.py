"""Capacity and effective geometry of class manifolds as they lie, in the style of GLUE."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.capacity import Progress, require_draws
from neurorec.geometry.cones import on_cone
from neurorec.geometry.dichotomies import DICHOTOMIES
from neurorec.geometry.manifold_points import Manifolds, manifolds_of

_UNITS = {
    "capacity": "manifolds per dimension",
    "radius": "norms of the centre",
    "dimension": "dimensions",
    "centre_alignment": "absolute cosine",
    "axis_alignment": "absolute cosine",
    "centre_axis_alignment": "absolute cosine",
}

# Anchors of a single point differ from their mean by rounding only.
_NO_AXIS = 1e-9

_Anchors = Float64[np.ndarray, "draw n_classes dimension"]


def glue_style_capacity(
    source: Any,
    *,
    label: str | Sequence[Any] | np.ndarray,
    dichotomies: str = "random",
    n_draws: int = 100,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    progress: Progress | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    r"""Capacity of the class manifolds in each time bin, without a mean-field assumption.

    For signs ``y`` of the P manifolds and a Gaussian vector ``t`` in the space of units,

    .. math::

        p(y, t) = \text{projection of } t \text{ on the cone of all } y_{\mu} x,
            \ x \in M_\mu, \qquad
        \alpha = P / \langle \|p\|^2 \rangle_{y, t} .

    Projected at random to fewer than :math:`\langle \|p\|^2 \rangle` dimensions, a dichotomy is
    more often than not separable no longer, wherever the manifolds lie and however they
    correlate. The projection is a weighted sum of points; the weighted mean of those of manifold
    :math:`\mu` is its anchor :math:`s_\mu(y, t)`. With rows :math:`s^0_\mu` the mean anchors,
    :math:`s^1_\mu = s_\mu - s^0_\mu`, and :math:`S_0, S_1` the matrices of them,

    .. math::

        D &= \tfrac1P \langle b \rangle, \quad
            b = (S_1 t)^\top (S_1 S_1^\top)^\dagger (S_1 t), \\
        R^2 &= \langle a \rangle / \langle b - a \rangle, \quad
            a = (S_1 t)^\top (S_1 S_1^\top + S_0 S_0^\top)^\dagger (S_1 t),

    and alignments are mean absolute cosines of different manifolds': of mean anchors
    (``centre_alignment``), of deviations (``axis_alignment``), of one's mean anchor and
    another's deviation (``centre_axis_alignment``).

    Parameters
    ----------
    source, label, undefined, progress
        As in :func:`manifold_capacity`. Points are about the mean of the class means.
    dichotomies
        A key of ``DICHOTOMIES``.
    n_draws
        Gaussian vectors, each with signs of its own.

    Returns
    -------
    xr.Dataset
        ``capacity``, ``radius``, ``dimension`` and the three alignments (time_bin).

    Raises
    ------
    ValueError
        If there are fewer than two classes, labels are missing, ``n_draws`` is below one, the
        kind of dichotomy is unknown, or activity is not finite or the same for all presentations.

    Notes
    -----
    The estimator follows the definitions of the reference; it is not the authors' program, hence
    its name. Choices of ours: hyperplanes pass through the mean of the class means; a manifold
    without a point in the projection has no anchor for that draw and is left out of it; the
    radius is a ratio of means, not the mean of ratios. Where no dichotomy is separable in the
    recorded dimensions the capacity is P over their number and says nothing else, and anchors are
    not unique.

    References
    ----------
    Chou, Kim, Arend, Yang, Mensh, Shim, Perich and Chung (2024) bioRxiv 2024.02.26.582157; for
    what cones have to do with random projections: Amelunxen, Lotz, McCoy and Tropp (2014)
    Information and Inference 3:224.
    """
    require_draws(n_draws)
    check_option("dichotomies", dichotomies, DICHOTOMIES)
    manifolds = manifolds_of(source, label=label, undefined=undefined, device=device)
    rng = np.random.default_rng(seed)
    n_times = len(manifolds.products)
    values = np.full((n_times, len(_UNITS)), np.nan)
    for t in range(n_times):
        if not manifolds.flat[t]:
            signs = DICHOTOMIES[dichotomies](n_draws, manifolds.n_classes, rng)
            gaussians = rng.standard_normal((n_draws, len(manifolds.codes)))
            values[t] = _of_bin(manifolds, t, signs, gaussians)
        if progress is not None:
            progress(t + 1, n_times)
    return xr.Dataset(
        {
            name: (TIME_BIN, column, {"units": units})
            for (name, units), column in zip(_UNITS.items(), values.T, strict=True)
        },
        coords=manifolds.times(),
        attrs=manifolds.attrs(
            method="projections on cones, in the style of GLUE",
            dichotomies=dichotomies,
            n_draws=n_draws,
        ),
    )


def _of_bin(
    manifolds: Manifolds, t: int, signs: np.ndarray, gaussians: np.ndarray
) -> tuple[float, ...]:
    points, directions = manifolds.coordinates(t)
    targets = gaussians @ directions
    codes, n_classes = manifolds.codes, manifolds.n_classes
    members = codes == np.arange(n_classes)[:, None]
    anchors = np.full((len(signs), n_classes, points.shape[1]), np.nan)
    squares = np.empty(len(signs))
    for i, (sign, target) in enumerate(zip(signs, targets, strict=True)):
        weights, projection = on_cone(points * sign[codes, None], target)
        squares[i] = projection @ projection
        shares = members * weights
        totals = shares.sum(axis=1)
        active = totals > 0
        anchors[i, active] = shares[active] @ points / totals[active, None]
    mean = float(squares.mean())
    capacity = n_classes / mean if mean > 0 else np.inf
    return capacity, *_sizes(anchors, targets), *_alignments(anchors)


def _centred(anchors: _Anchors) -> tuple[np.ndarray, _Anchors]:
    """Mean anchors, and deviations from them; zeros where there is no anchor."""
    present = ~np.isnan(anchors[:, :, :1])
    filled = np.where(present, anchors, 0)
    centres = filled.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    axes = np.where(present, filled - centres, 0)
    sizes, lengths = (np.linalg.norm(v, axis=2, keepdims=True) for v in (axes, filled))
    return centres, np.where(sizes > _NO_AXIS * lengths, axes, 0)


def _sizes(
    anchors: _Anchors, targets: Float64[np.ndarray, "draw dimension"]
) -> tuple[float, float]:
    """Radius and dimension."""
    centres, axes = _centred(anchors)
    present = ~np.isnan(anchors[:, :, 0])
    along = np.einsum("dcr,dr->dc", axes, targets)
    of_axes = axes @ axes.transpose(0, 2, 1)
    of_centres = centres @ centres.T * (present[:, :, None] & present[:, None, :])
    alone = _quadratic(of_axes, along)
    together = _quadratic(of_axes + of_centres, along)
    shared, rest = float(together.mean()), float((alone - together).mean())
    radius = 0.0 if shared <= 0 else float(np.sqrt(shared / rest)) if rest > 0 else np.inf
    return radius, float(alone.mean() / anchors.shape[1])


def _quadratic(matrices: np.ndarray, vectors: np.ndarray) -> Float64[np.ndarray, " draw"]:
    inverses = np.linalg.pinv(matrices, rcond=1e-10, hermitian=True)
    return np.einsum("dc,dce,de->d", vectors, inverses, vectors)


def _alignments(anchors: _Anchors) -> tuple[float, float, float]:
    centres, axes = _centred(anchors)
    seen = (centres != 0).any(axis=1)
    different = ~np.eye(len(centres), dtype=bool) & seen & seen[:, None]
    centres, axes = _unit(centres), _unit(axes)
    of_centres = np.abs(centres @ centres.T)
    of_axes = np.abs(axes @ axes.transpose(0, 2, 1))
    present = (axes != 0).any(axis=2)
    both = present[:, :, None] & present[:, None, :] & different
    mixed = np.abs(centres @ axes.transpose(0, 2, 1))
    return (
        _mean(of_centres, different),
        _mean(of_axes, both),
        _mean(mixed, present[:, None, :] & different),
    )


def _mean(values: np.ndarray, kept: np.ndarray) -> float:
    return float(values[kept].mean()) if kept.any() else float("nan")


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)
