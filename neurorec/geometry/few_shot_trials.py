"""Errors of prototypes that are drawn, and tested, in the recorded presentations."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from neurorec.geometry.manifold_points import Manifolds

# Numbers of one array of distances of prototypes and rows; four of them live at a time.
_ELEMENTS: Final = 2**22


def measured_errors(
    manifolds: Manifolds, *, n_shots: int, n_draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "time_bin n_classes n_classes"]:
    """Fraction of presentations of class a nearer to a prototype of b than to one of a.

    The prototypes of a draw are means of ``n_shots`` presentations of each class; all others are
    tested. Equal distances count half. The same draws are taken in every time bin.
    """
    codes, n_classes = manifolds.codes, manifolds.n_classes
    wrong = np.zeros((len(manifolds.products), n_classes, n_classes))
    n_tested = np.zeros(n_classes)
    at_once = max(1, _ELEMENTS // (n_classes * len(codes)))
    for first in range(0, n_draws, at_once):
        chosen = _examples(codes, n_classes, n_shots, min(at_once, n_draws - first), rng)
        tested = ~chosen.any(axis=1)  # (draw, row)
        n_tested += np.bincount(codes, weights=tested.sum(axis=0))
        for t, products in enumerate(manifolds.products):
            wrong[t] += _of_bin(products, chosen / n_shots, tested, codes)
    return wrong / n_tested[:, None]


def _examples(
    codes: np.ndarray, n_classes: int, n_shots: int, n_draws: int, rng: np.random.Generator
) -> Bool[np.ndarray, "draw n_classes row"]:
    ranks = rng.random((n_draws, len(codes)))
    chosen = np.zeros((n_draws, n_classes, len(codes)), dtype=bool)
    for code in range(n_classes):
        rows = np.flatnonzero(codes == code)
        first = np.argsort(ranks[:, rows], axis=1)[:, :n_shots]
        np.put_along_axis(chosen[:, code], rows[first], True, axis=1)
    return chosen


def _of_bin(
    products: Float64[np.ndarray, "row row"],
    weights: Float64[np.ndarray, "draw n_classes row"],
    tested: Bool[np.ndarray, "draw row"],
    codes: Int64[np.ndarray, " row"],
) -> Float64[np.ndarray, "n_classes n_classes"]:
    """How many tested presentations of a go to b, ties counting half."""
    _, n_classes, n_rows = weights.shape
    with_prototypes = (weights.reshape(-1, n_rows) @ products).reshape(weights.shape)
    squares = (with_prototypes * weights).sum(axis=2, keepdims=True)
    # Squared distances of rows from prototypes, less the squared norms of the rows.
    distances = squares - 2 * with_prototypes
    own = distances[:, codes, np.arange(n_rows)][:, None, :]
    wrong = (distances < own) + 0.5 * (distances == own)  # (draw, class b, row)
    members = codes == np.arange(n_classes)[:, None]
    return members @ (wrong * tested[:, None, :]).sum(axis=0).T
