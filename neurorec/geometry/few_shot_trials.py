"""Errors of prototypes that are drawn, and tested, in the recorded presentations."""

import numpy as np
from jaxtyping import Bool, Float64

from neurorec.geometry.manifold_points import Manifolds


def measured_errors(
    manifolds: Manifolds, *, n_shots: int, n_draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "time_bin n_classes n_classes"]:
    """Fraction of presentations of class a nearer to a prototype of b than to one of a.

    The prototypes of a draw are means of ``n_shots`` presentations of each class; all others are
    tested. Equal distances count half. The same draws are taken in every time bin.
    """
    codes, n_classes = manifolds.codes, manifolds.n_classes
    chosen = _examples(codes, n_classes, n_shots, n_draws, rng)
    weights = (chosen / n_shots).reshape(n_draws * n_classes, -1)
    tested = ~chosen.any(axis=1)  # (draw, row)
    errors = [_of_bin(products, weights, tested, manifolds) for products in manifolds.products]
    return np.stack(errors)


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
    weights: Float64[np.ndarray, "prototype row"],
    tested: Bool[np.ndarray, "draw row"],
    manifolds: Manifolds,
) -> Float64[np.ndarray, "n_classes n_classes"]:
    codes, n_classes = manifolds.codes, manifolds.n_classes
    n_draws, n_rows = tested.shape
    with_prototypes = weights @ products
    squares = (with_prototypes * weights).sum(axis=1)
    # Squared distances of rows from prototypes, less the squared norms of the rows.
    distances = (squares[:, None] - 2 * with_prototypes).reshape(n_draws, n_classes, n_rows)
    own = distances[:, codes, np.arange(n_rows)][:, None, :]
    wrong = (distances < own) + 0.5 * (distances == own)  # (draw, class b, row)
    wrong = (wrong * tested[:, None, :]).sum(axis=0)
    members = codes == np.arange(n_classes)[:, None]
    return (members @ wrong.T) / (members @ tested.sum(axis=0))[:, None]
