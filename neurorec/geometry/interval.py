"""Confidence intervals of RDM comparisons, resampling stimuli."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from neurorec._checks import check_option
from neurorec.geometry._stack import defined, matched, multiplicities, pairs
from neurorec.geometry.comparison import COMPARISONS, compare
from neurorec.geometry.kendall import dense_ranks, weighted_tau_a

_First = Float64[np.ndarray, "first pair"]
_Second = Float64[np.ndarray, "second pair"]
_Counts = Int64[np.ndarray, "draw pair"]
_Scores = Float64[np.ndarray, "draw first second"]

# Elements of the largest array of one batch of draws (128 MB of float64).
_BATCH_ELEMENTS = 1 << 24


def _weighted_cosine(a: _First, b: _Second, counts: _Counts) -> _Scores:
    weights = counts.astype(np.float64)
    products = _weighted_products(a, b, weights)
    norms_a, norms_b = np.sqrt(weights @ (a * a).T), np.sqrt(weights @ (b * b).T)
    return _ratio(products, norms_a[:, :, None] * norms_b[:, None, :])


def _weighted_pearson(a: _First, b: _Second, counts: _Counts) -> _Scores:
    # Correlations do not change with an offset; without it fewer digits cancel below.
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean_a, mean_b = weights @ a.T, weights @ b.T
    variance_a = weights @ (a * a).T - mean_a**2
    variance_b = weights @ (b * b).T - mean_b**2
    covariance = _weighted_products(a, b, weights) - mean_a[:, :, None] * mean_b[:, None, :]
    variances = np.maximum(variance_a, 0)[:, :, None] * np.maximum(variance_b, 0)[:, None, :]
    return _ratio(covariance, np.sqrt(variances))


def _weighted_spearman(a: _First, b: _Second, counts: _Counts) -> _Scores:
    """Pearson correlation of the mid-ranks that each draw gives, all RDMs of a draw at once."""
    scores = np.empty((len(counts), len(a), len(b)))
    order_a, order_b = _RankOrder(a), _RankOrder(b)
    per_batch = max(1, _BATCH_ELEMENTS // (a.shape[1] * (len(a) + len(b))))
    for start in range(0, len(counts), per_batch):
        weights = counts[start : start + per_batch].astype(np.float64)
        x, y = order_a.deviations(weights), order_b.deviations(weights)
        covariance = (x * weights[:, None]) @ y.transpose(0, 2, 1)
        variance_x = np.einsum("dp,dap,dap->da", weights, x, x)
        variance_y = np.einsum("dp,dbp,dbp->db", weights, y, y)
        norms = np.sqrt(variance_x[:, :, None] * variance_y[:, None, :])
        scores[start : start + per_batch] = _ratio(covariance, norms)
    return scores


class _RankOrder:
    """The order of the entries of some RDMs, found once, from which weighted ranks follow."""

    def __init__(self, vectors: _First) -> None:
        self.groups = dense_ranks(vectors)
        self.order = np.argsort(self.groups, axis=1, kind="stable")

    def deviations(
        self, weights: Float64[np.ndarray, "draw pair"]
    ) -> Float64[np.ndarray, "draw rdm pair"]:
        """Mid-ranks less their weighted mean, when entry k stands ``weights[k]`` times."""
        out = np.empty((len(weights), *self.groups.shape))
        total = weights.sum(axis=1)
        for i, (order, groups) in enumerate(zip(self.order, self.groups, strict=True)):
            below = np.zeros((len(weights), len(order) + 1))
            np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
            limits = np.searchsorted(groups[order], np.arange(groups[order[-1]] + 2))
            edges = below[:, limits]  # weight below each group of equal entries
            midranks = (edges[:, :-1] + edges[:, 1:]) / 2
            # The weighted mean of mid-ranks is half the total, whatever the ties.
            out[:, i] = (midranks - total[:, None] / 2)[:, groups]

        return out


def _weighted_products(a: _First, b: _Second, weights: Float64[np.ndarray, "draw pair"]) -> _Scores:
    """``sum_k w_k a_k b_k``, looping over the shorter of the two."""
    if len(b) > len(a):
        return _weighted_products(b, a, weights).transpose(0, 2, 1)
    return np.stack([(weights * row) @ a.T for row in b], axis=2)


def _ratio(
    numerator: Float64[np.ndarray, "*any"], denominator: Float64[np.ndarray, "*any"]
) -> Float64[np.ndarray, "*any"]:
    """NaN where the denominator is zero."""
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


#: The comparisons of ``COMPARISONS`` for pairs that stand several times in a sample.
WEIGHTED: Final[Mapping[str, Callable[..., np.ndarray]]] = MappingProxyType(
    {
        "pearson": _weighted_pearson,
        "spearman": _weighted_spearman,
        "kendall": weighted_tau_a,
        "cosine": _weighted_cosine,
    }
)


def compare_with_interval(
    a: xr.DataArray,
    b: xr.DataArray,
    *,
    method: str = "spearman",
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    average: str | None = None,
) -> xr.Dataset:
    """Scores of :func:`compare` with percentile bootstrap intervals over stimuli.

    A draw takes as many stimuli as there are, with replacement, and both RDMs are resampled
    alike. Pairs of a stimulus with its own copy are left out: their dissimilarity is zero by
    construction. A draw is the number of times each pair occurs, so RDMs are
    never copied: every statistic is a weighted one of the original upper triangles. Draws of
    fewer than three different stimuli are drawn again.

    Parameters
    ----------
    a, b, method, undefined
        As for :func:`compare`.
    n_draws
        Bootstrap samples; the same for all pairs of RDMs.
    level
        Coverage of the interval. It holds for other stimuli of the same kind, in the same
        subjects and models.
    average
        The leading dimension of ``b``, subjects for example, over which scores are averaged, in
        the sample and in every draw: what :func:`noise_ceiling` bounds.

    Returns
    -------
    xr.Dataset
        ``score``, ``ci_low`` and ``ci_high``. A draw in which a score is undefined (all
        resampled dissimilarities equal) is left out; ``n_undefined_draws`` counts them.

    Raises
    ------
    ValueError
        As :func:`compare`; if ``n_draws`` or ``level`` allow no interval; and if ``average`` is
        not the one leading dimension of ``b``.
    """
    check_option("method", method, COMPARISONS)
    if n_draws < 2 or not 0 < level < 1:
        raise ValueError(
            "an interval needs n_draws of at least 2 and a level between 0 and 1, "
            f"got n_draws={n_draws} and level={level}"
        )
    leading = tuple(str(d) for d in b.dims if not str(d).startswith("condition"))
    if average is not None and leading != (average,):
        raise ValueError(f"average must be the leading dimension of b, {leading}, got {average!r}")
    score = compare(a, b, method=method, undefined=undefined)
    first, second, _ = matched(a, b, undefined=undefined)
    x, y = first.vectors(), second.vectors()
    rows, columns = defined(x), defined(y)
    if average is not None:
        score = score.mean(str(score.dims[-1]), skipna=False, keep_attrs=True)
        columns = np.array([columns.all()])
    limits = np.full((2, len(x), len(columns)), np.nan)
    n_undefined = np.zeros((len(x), len(columns)), dtype=np.int64)
    if rows.any() and columns.any():
        draws = draw_stimuli(first.n_conditions, n_draws=n_draws, seed=seed)
        scores = np.concatenate(
            [
                WEIGHTED[method](x[rows], y if average else y[columns], counts)
                for counts in _batches(draws)
            ]
        )
        scores = scores.mean(axis=2, keepdims=True) if average else scores
        tails = [(1 - level) / 2, (1 + level) / 2]
        limits[(slice(None), *np.ix_(rows, columns))] = np.nanquantile(scores, tails, axis=0)
        n_undefined[np.ix_(rows, columns)] = np.isnan(scores).sum(axis=0)
    shape = score.shape
    result = xr.Dataset(
        {
            "score": score,
            "ci_low": score.copy(data=limits[0].reshape(shape)),
            "ci_high": score.copy(data=limits[1].reshape(shape)),
            "n_undefined_draws": (score.dims, n_undefined.reshape(shape)),
        },
        attrs=score.attrs | {"n_draws": n_draws, "level": level, "resampled": "stimuli"},
    )
    return result


def draw_stimuli(
    n_conditions: int, *, n_draws: int, seed: int | np.random.Generator
) -> Int64[np.ndarray, "draw condition"]:
    """Stimuli of each bootstrap sample, at least three different ones in each."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(n_conditions, size=(n_draws, n_conditions))
    while True:
        ordered = np.sort(draws, axis=1)
        poor = (np.diff(ordered, axis=1) > 0).sum(axis=1) < 2
        if not poor.any():
            return draws
        draws[poor] = rng.integers(n_conditions, size=(int(poor.sum()), n_conditions))


def _batches(draws: Int64[np.ndarray, "draw condition"]) -> Iterator[_Counts]:
    """Multiplicities of pairs, a few draws at a time."""
    n_pairs = len(pairs(draws.shape[1])[0])
    per_batch = max(1, _BATCH_ELEMENTS // n_pairs)
    for start in range(0, len(draws), per_batch):
        yield multiplicities(draws[start : start + per_batch])
