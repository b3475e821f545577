"""Comparisons of RDMs whose conditions were drawn with replacement."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.distance import squareform

from neurorec.geometry._ranks import doubled_midranks, rank_products
from neurorec.geometry._stack import pair_counts
from neurorec.geometry._threads import in_threads
from neurorec.geometry.kendall import dense_ranks, weighted_tau_a
from neurorec.geometry.whitening import ResampledWhitening

_First = Float64[np.ndarray, "first pair"]
_Second = Float64[np.ndarray, "second pair"]
_Copies = Int64[np.ndarray, "draw condition"]
_Scores = Float64[np.ndarray, "draw first second"]

# Elements of the largest array of one batch (128 MB of float64).
_BATCH_ELEMENTS = 1 << 24


def _cosine(a: _First, b: _Second, copies: _Copies) -> _Scores:
    weights = pair_counts(copies).astype(np.float64)
    return _ratio(_products(a, b, weights), weights @ (a * a).T, weights @ (b * b).T)


def _pearson(a: _First, b: _Second, copies: _Copies) -> _Scores:
    # Correlations do not change with an offset; without it fewer digits cancel below.
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    weights = pair_counts(copies).astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    mean_a, mean_b = weights @ a.T, weights @ b.T
    covariance = _products(a, b, weights) - mean_a[:, :, None] * mean_b[:, None, :]
    return _ratio(covariance, weights @ (a * a).T - mean_a**2, weights @ (b * b).T - mean_b**2)


def _spearman(a: _First, b: _Second, copies: _Copies) -> _Scores:
    """Pearson correlation of the mid-ranks that each draw gives."""
    return _of_ranks("spearman", a, b, copies)


def _rho_a(a: _First, b: _Second, copies: _Copies) -> _Scores:
    return _of_ranks("rho_a", a, b, copies)


def _of_ranks(method: str, a: _First, b: _Second, copies: _Copies) -> _Scores:
    keys_a, keys_b = dense_ranks(a), dense_ranks(b)

    def score(draw: np.ndarray) -> np.ndarray:
        counts = pair_counts(draw[None])[0]
        held = np.flatnonzero(counts)  # four pairs in ten
        counts = counts[held]
        x = doubled_midranks(keys_a[:, held], counts)
        y = doubled_midranks(keys_b[:, held], counts)
        return similarity_of_ranks(method, x, y, counts)

    return np.stack(in_threads(score, copies))


def similarity_of_ranks(
    method: str,
    x: Int64[np.ndarray, "first entry"],
    y: Int64[np.ndarray, "second entry"],
    counts: Int64[np.ndarray, " entry"],
) -> Float64[np.ndarray, "first second"]:
    """``"spearman"``, ``"rho_a"`` or ``"kendall"`` from twice the deviations of mid-ranks."""
    if method == "kendall":
        return weighted_tau_a(x.astype(float), y.astype(float), counts[None])[0]
    products = rank_products(x, y, counts)
    if method == "rho_a":
        n_entries = float(counts.sum())
        return 12 * products / (n_entries**3 - n_entries)
    squares = [((z * z) @ counts) / 4 for z in (x, y)]
    return _ratio(products[None], squares[0][None], squares[1][None])[0]


def _whitened_cosine(a: _First, b: _Second, copies: _Copies) -> _Scores:
    return _whitened(a, b, copies, centred=False)


def _whitened_correlation(a: _First, b: _Second, copies: _Copies) -> _Scores:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return _whitened(a, b, copies, centred=True)


def _whitened(a: _First, b: _Second, copies: _Copies, *, centred: bool) -> _Scores:
    """Cosine under the inverse of the noise covariance of the resampled pairs."""
    weights = pair_counts(copies).astype(np.float64)
    total = weights.sum(axis=1)
    whitening = ResampledWhitening(copies)
    n_others = copies.sum(axis=1, keepdims=True) - copies
    mean_a, mean_b = (
        weights @ x.T / total[:, None] if centred else np.zeros((len(copies), len(x)))
        for x in (a, b)
    )
    sums_a, sums_b = (
        _row_sums(x, copies) - mean[:, :, None] * n_others[:, None]
        for x, mean in ((a, mean_a), (b, mean_b))
    )
    products = _products(a, b, weights) - (total[:, None] * mean_a)[:, :, None] * mean_b[:, None]
    products -= whitening.products(sums_a, sums_b)
    squares = (
        weights @ (x * x).T - total[:, None] * mean**2 - whitening.squares(sums)
        for x, mean, sums in ((a, mean_a, sums_a), (b, mean_b, sums_b))
    )
    return _ratio(products, *squares)


def _row_sums(
    vectors: Float64[np.ndarray, "rdm pair"], copies: _Copies
) -> Float64[np.ndarray, "draw rdm condition"]:
    """Sum of the dissimilarities of each stimulus to all that a draw holds."""
    matrices = np.stack([squareform(v, checks=False) for v in vectors])
    return np.matmul(copies.astype(np.float64), matrices).transpose(1, 0, 2)


def _products(a: _First, b: _Second, weights: Float64[np.ndarray, "draw pair"]) -> _Scores:
    """``sum_k w_k a_k b_k``: one product of matrices for as many RDMs as memory allows."""
    per_batch = max(1, _BATCH_ELEMENTS // b.size)
    parts = [
        weights @ (a[k : k + per_batch, None] * b).reshape(-1, b.shape[1]).T
        for k in range(0, len(a), per_batch)
    ]
    return np.concatenate(parts, axis=1).reshape(len(weights), len(a), len(b))


def _ratio(
    products: _Scores,
    squares_a: Float64[np.ndarray, "draw first"],
    squares_b: Float64[np.ndarray, "draw second"],
) -> _Scores:
    """Products over norms; NaN where a norm is zero."""
    norms = np.sqrt(np.maximum(squares_a, 0)[:, :, None] * np.maximum(squares_b, 0)[:, None, :])
    return np.divide(products, norms, out=np.full(products.shape, np.nan), where=norms > 0)


def _tau_a(a: _First, b: _Second, copies: _Copies) -> _Scores:
    return weighted_tau_a(a, b, pair_counts(copies))


#: The comparisons of ``COMPARISONS`` for stimuli that stand several times in a sample.
WEIGHTED: Final[Mapping[str, Callable[..., np.ndarray]]] = MappingProxyType(
    {
        "pearson": _pearson,
        "spearman": _spearman,
        "rho_a": _rho_a,
        "kendall": _tau_a,
        "cosine": _cosine,
        "whitened_cosine": _whitened_cosine,
        "whitened_correlation": _whitened_correlation,
    }
)


def resampled_scores(method: str, a: _First, b: _Second, copies: _Copies) -> _Scores:
    """``WEIGHTED[method]``, a few draws at a time."""
    per_batch = max(1, _BATCH_ELEMENTS // max(a.shape[1], copies.shape[1] * max(len(a), len(b))))
    batches = (copies[k : k + per_batch] for k in range(0, len(copies), per_batch))
    return np.concatenate([WEIGHTED[method](a, b, batch) for batch in batches])
