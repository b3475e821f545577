"""Linear separability of class manifolds in random projections, over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.capacity import Progress, require_draws
from neurorec.geometry.cones import hull_distance
from neurorec.geometry.dichotomies import DICHOTOMIES
from neurorec.geometry.manifold_points import Manifolds, manifolds_of

N_DIMENSIONS = "n_dimensions"

# Margins below this share of the longest point are rounding.
_NO_MARGIN = 1e-7
# Length of the constant coordinate, in norms of the longest point: the intercept it carries adds
# one over its square to the squared norm of the separating vector.
_INTERCEPT = 1e3
# Default sizes: halves of the largest.
_N_SIZES = 8


def linear_separability(
    source: Any,
    *,
    label: str | Sequence[Any] | np.ndarray,
    dichotomies: str = "random",
    n_dimensions: Sequence[int] | None = None,
    n_draws: int = 50,
    intercept: bool = False,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    progress: Progress | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    r"""Fraction of dichotomies of the class manifolds that a hyperplane separates.

    Each draw projects all points on ``n`` Gaussian directions and takes signs ``y`` of the classes;
    it is separable if

    .. math:: \max_{\|w\| = 1} \min_i \, y_i \, w \cdot x_i > 0,

    the hard margin, which is the distance of the origin from the convex hull of the
    :math:`y_i x_i`. The number of dimensions at which half of the dichotomies are separable
    gives the numerical capacity, manifolds per dimension.

    Parameters
    ----------
    source, label, undefined, progress
        As in :func:`manifold_capacity`. Points are about the mean of the class means.
    dichotomies
        A key of ``DICHOTOMIES``; ``"one_against_rest"`` asks every class in turn.
    n_dimensions
        Numbers of directions; if left out, the smaller of units and presentations, halved again
        and again. At or above the dimensions the points span, nothing is projected.
    n_draws
        Projections with a dichotomy, for every number of directions.
    intercept
        Whether the hyperplane may pass beside the mean of the class means.

    Returns
    -------
    xr.Dataset
        ``separable`` (time_bin, n_dimensions), the fraction; ``margin``, the mean of the margins,
        zero where not separable, over the root mean square norm of the projected points;
        ``capacity`` (time_bin), classes over the dimensions at which the fraction passes 1/2,
        linear between the numbers asked for; NaN where it does not pass.

    Raises
    ------
    ValueError
        If there are fewer than two classes, labels are missing, ``n_draws`` or a number of
        directions is below one, the kind of dichotomy is unknown, or activity is not finite or
        the same for all presentations.

    References
    ----------
    Numerical capacity: Cohen, Chung, Lee and Sompolinsky (2020) Nature Communications 11:746.
    """
    require_draws(n_draws)
    check_option("dichotomies", dichotomies, DICHOTOMIES)
    manifolds = manifolds_of(source, label=label, undefined=undefined, device=device)
    sizes = _sizes(manifolds, n_dimensions)
    rng = np.random.default_rng(seed)
    n_times = len(manifolds.products)
    margins = np.full((n_times, len(sizes), n_draws), np.nan)
    for t in range(n_times):
        if not manifolds.flat[t]:
            signs = DICHOTOMIES[dichotomies](n_draws, manifolds.n_classes, rng)
            margins[t] = _of_bin(manifolds, t, sizes, signs, intercept, rng)
        if progress is not None:
            progress(t + 1, n_times)
    separable = np.where(np.isnan(margins), np.nan, margins > 0).mean(axis=2)
    dims = (TIME_BIN, N_DIMENSIONS)
    return xr.Dataset(
        {
            "separable": (dims, separable, {"units": "fraction of dichotomies"}),
            "margin": (dims, margins.mean(axis=2), {"units": "root mean square norms of points"}),
            "capacity": (
                TIME_BIN,
                np.array([manifolds.n_classes / _half(sizes, row) for row in separable]),
                {"units": "manifolds per dimension"},
            ),
        },
        coords=manifolds.times() | {N_DIMENSIONS: sizes},
        attrs=manifolds.attrs(
            method="hard margins in random projections",
            dichotomies=dichotomies,
            n_draws=n_draws,
            intercept=str(intercept),
        ),
    )


def _sizes(manifolds: Manifolds, asked: Sequence[int] | None) -> Int64[np.ndarray, " size"]:
    if asked is None:
        most = min(len(manifolds.codes) - 1, manifolds.patterns.n_neuroids)
        return np.unique(np.maximum(most // 2 ** np.arange(_N_SIZES), 1)).astype(np.int64)
    sizes = np.unique(np.asarray(asked, dtype=np.int64))
    if not len(sizes) or sizes[0] < 1:
        raise ValueError(f"n_dimensions must be numbers of at least 1, got {list(asked)}")
    return sizes


def _of_bin(
    manifolds: Manifolds,
    t: int,
    sizes: np.ndarray,
    signs: np.ndarray,
    intercept: bool,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "size draw"]:
    points, directions = manifolds.coordinates(t)
    n_points, rank = points.shape
    margins = np.empty((len(sizes), len(signs)))
    for j, sign in enumerate(signs):
        # One projection for all sizes: its first columns.
        gaussians = directions.T @ rng.standard_normal((n_points, min(int(sizes[-1]), n_points)))
        signed = sign[manifolds.codes, None]
        for i, size in enumerate(sizes):
            projected = points if size >= rank else points @ gaussians[:, :size]
            margins[i, j] = relative_margin(projected, signed, intercept)
    return margins


def relative_margin(
    points: Float64[np.ndarray, "point dimension"],
    signs: Float64[np.ndarray, "point 1"],
    intercept: bool,
) -> float:
    """Largest margin over the root mean square norm of the points, zero if not separable."""
    squares = (points**2).sum(axis=1)
    longest = float(np.sqrt(squares.max()))
    if longest == 0:
        return 0.0
    constant = np.full((len(points), int(intercept)), _INTERCEPT * longest)
    margin = hull_distance(signs * np.column_stack([points, constant]))
    return margin / float(np.sqrt(squares.mean())) if margin > _NO_MARGIN * longest else 0.0


def _half(sizes: np.ndarray, fractions: np.ndarray) -> float:
    """Where the fraction first reaches one half and stays there; NaN if nowhere."""
    below = np.flatnonzero(~(fractions >= 0.5))
    last = below[-1] if len(below) else -1
    if last < 0 or last == len(sizes) - 1:
        return float("nan")
    low, high = fractions[last], fractions[last + 1]
    share = (0.5 - low) / (high - low)
    return float(sizes[last] + share * (sizes[last + 1] - sizes[last]))
