"""Correlation of manifold centres, and the directions they share."""

from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize

# Sums of squared cosines are of the order of one: closer to the minimum nothing changes.
_STOPPING: Final = {"maxiter": 100, "ftol": 1e-8, "gtol": 1e-4}
# A search that has become worse this often in a row is given up.
_PATIENCE = 3

_Centres = Float64[np.ndarray, "n_classes dimension"]


def mean_correlation(centres: _Centres) -> float:
    """Mean absolute cosine of pairs of centres; NaN if one has no length."""
    norms = np.linalg.norm(centres, axis=1, keepdims=True)
    if norms.min() <= 1e-9 * max(norms.max(), 1e-300):
        return float("nan")
    cosines = np.abs(centres @ centres.T / (norms * norms.T))
    n = len(centres)
    return float((cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def shared_directions(
    centres: _Centres, *, n_restarts: int, rng: np.random.Generator
) -> Float64[np.ndarray, "dimension n_shared"]:
    r"""Orthonormal directions without which centres correlate least.

    For each number of directions K the sum of squared cosines of what is left of the centres,

    .. math:: \min_{V^\top V = I} \tfrac12 \sum_{\mu\nu}
        \frac{(M_{\mu\nu})^2}{M_{\mu\mu} M_{\nu\nu}},
        \qquad M = X (I - V V^\top) X^\top,

    is minimised from several starts: the directions of K - 1 and one random combination of
    centres. The start is kept after which the most of the smallest centre is left. K is then the
    one with the smallest mean absolute cosine, which may be 0: then there are no directions.

    References
    ----------
    Cohen, Chung, Lee and Sompolinsky (2020) Nature Communications 11:746.
    """
    _, sizes, axes = np.linalg.svd(centres, full_matrices=False)
    axes = axes[sizes > 1e-9 * max(sizes[0], 1e-300)]
    return axes.T @ _within_span(centres @ axes.T, n_restarts, rng)


def _within_span(
    centres: _Centres, n_restarts: int, rng: np.random.Generator
) -> Float64[np.ndarray, "dimension n_shared"]:
    n_classes, n_dimensions = centres.shape
    best = current = np.zeros((n_dimensions, 0))
    lowest = latest = mean_correlation(centres)
    worse = 0
    # Centres about their mean span n_classes - 1 dimensions; two must be left to correlate in.
    for _ in range(min(n_classes - 3, n_dimensions - 2)):
        starts = [_search(centres, current, rng) for _ in range(n_restarts)]
        current = max(starts, key=lambda v: _smallest_share(centres, v))
        correlation = mean_correlation(centres - centres @ current @ current.T)
        worse = worse + 1 if not correlation < latest else 0
        latest = correlation
        if correlation < lowest:
            best, lowest = current, correlation
        if worse == _PATIENCE:
            break
    return best


def _search(
    centres: _Centres,
    current: Float64[np.ndarray, "dimension k"],
    rng: np.random.Generator,
) -> Float64[np.ndarray, "dimension k_plus_1"]:
    added = rng.standard_normal(len(centres)) @ centres
    start, _ = np.linalg.qr(np.column_stack([added, current]))
    found = minimize(
        _cost,
        start.ravel(),
        args=(centres, start.shape),
        jac=True,
        method="L-BFGS-B",
        options=dict(_STOPPING),
    )
    return np.linalg.qr(found.x.reshape(start.shape))[0]


def _cost(flat: np.ndarray, centres: _Centres, shape: tuple[int, int]) -> tuple[float, np.ndarray]:
    """Half the sum of squared cosines outside the span of columns, and its gradient."""
    columns = flat.reshape(shape)
    inverse = np.linalg.solve(columns.T @ columns, columns.T)
    outside = np.eye(shape[0]) - columns @ inverse
    left = centres @ outside
    products = left @ left.T
    squares = np.maximum(np.diag(products), 1e-300)
    cosines = products / np.sqrt(squares[:, None] * squares)
    by_product = products / (squares[:, None] * squares)
    by_product[np.diag_indices(len(squares))] -= (cosines**2).sum(axis=1) / squares
    gradient = -2 * left.T @ by_product @ centres @ inverse.T
    return 0.5 * float((cosines**2).sum()), gradient.ravel()


def _smallest_share(centres: _Centres, directions: np.ndarray) -> float:
    left = centres - centres @ directions @ directions.T
    return float((np.linalg.norm(left, axis=1) / np.linalg.norm(centres, axis=1)).min())
