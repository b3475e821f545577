"""Confidence intervals of RDM comparisons, resampling stimuli."""

import numpy as np
import xarray as xr

from neurorec._checks import check_option
from neurorec.geometry._draws import draw_stimuli
from neurorec.geometry._stack import copies_of, defined, matched
from neurorec.geometry.comparison import COMPARISONS, compare
from neurorec.geometry.weighted import resampled_scores


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
        subjects and models; :func:`evaluate_models` has those for other subjects too.
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
        copies = copies_of(draws, first.n_conditions)
        scores = resampled_scores(method, x[rows], y if average else y[columns], copies)
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
