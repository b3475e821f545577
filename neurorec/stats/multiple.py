"""p-values of many tests at once."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float, Num

from neurorec._checks import check_option
from neurorec.stats.permutation import ALTERNATIVES

_Ordered = Float[np.ndarray, " test"]


def _none(p: _Ordered) -> _Ordered:
    return p


def _bonferroni(p: _Ordered) -> _Ordered:
    return len(p) * p


def _holm(p: _Ordered) -> _Ordered:
    """Each against those not yet rejected."""
    return np.maximum.accumulate(np.arange(len(p), 0, -1) * p)


def _fdr(p: _Ordered) -> _Ordered:
    """Benjamini and Hochberg's step up."""
    ratios = len(p) / np.arange(1, len(p) + 1) * p
    return np.minimum.accumulate(ratios[::-1])[::-1]


# Written out: statsmodels collects all garbage of the process in each call, which takes longer
# than many a test.
#: Corrections of p-values in ascending order. Tests run over this table.
CORRECTIONS: Final[Mapping[str, Callable[[np.ndarray], np.ndarray]]] = MappingProxyType(
    {"none": _none, "bonferroni": _bonferroni, "holm": _holm, "fdr": _fdr}
)


def corrected_p_values(
    p: Float[np.ndarray, "*shape"], *, correction: str
) -> Float[np.ndarray, "*shape"]:
    """p-values with which every test can be held against one level.

    Parameters
    ----------
    p
        p-values; NaN counts as no test and stays NaN.
    correction
        A key of ``CORRECTIONS``. ``"bonferroni"`` and ``"holm"`` bound the probability of any
        false positive, ``"fdr"`` (Benjamini and Hochberg) their expected share.

    Raises
    ------
    ValueError
        If the correction is unknown or a value is no probability.

    Notes
    -----
    Holm (1979), *Scandinavian Journal of Statistics* 6, 65-70; Benjamini and Hochberg (1995),
    *Journal of the Royal Statistical Society B* 57, 289-300.
    """
    check_option("correction", correction, CORRECTIONS)
    tested = ~np.isnan(p)
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise ValueError(
            f"p-values lie between 0 and 1, got {p[tested].min()} to {p[tested].max()}"
        )
    order = np.argsort(p[tested])
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1, CORRECTIONS[correction](p[tested][order]))
    out = np.full(p.shape, np.nan)
    out[tested] = corrected
    return out


def max_statistic_p_values(
    observed: Float[np.ndarray, "*shape"],
    null: Num[np.ndarray, "draw *shape"],  # noqa: F821
    *,
    alternative: str = "greater",
) -> Float[np.ndarray, "*shape"]:
    r"""p-values that bound the probability of any false positive among dependent tests.

    Each test is held against the largest standard score that any test reaches in a permutation:

    .. math:: p_j = \frac{1 + \#\{\max_i z_i^{(k)} \ge z_j\}}{1 + n}

    Mean and deviation of a test are those of all its arrangements, the observed one among them,
    so that tests of different spread weigh alike and the test stays exact (our choice).

    Parameters
    ----------
    observed
        One statistic per test.
    null
        Statistics of permuted data, along the first axis; one permutation gives all tests.
    alternative
        ``"greater"``, ``"less"`` or ``"two-sided"``, which takes magnitudes.

    Raises
    ------
    ValueError
        If there is no permutation or a value is not finite.

    References
    ----------
    Westfall & Young (1993) *Resampling-Based Multiple Testing*; Nichols & Holmes (2002) *Human
    Brain Mapping* 15, 1-25.
    """
    check_option("alternative", alternative, ALTERNATIVES)
    if len(null) == 0 or not (np.isfinite(null).all() and np.isfinite(observed).all()):
        raise ValueError(
            "the largest statistic needs at least one permutation and finite values, got "
            f"{len(null)} permutations and {int((~np.isfinite(null)).sum())} values that are not"
        )
    arrangements = np.concatenate([observed[None], null]).astype(float)
    deviations = arrangements - arrangements.mean(axis=0)
    spread = deviations.std(axis=0)
    scores = np.divide(
        deviations, spread, out=np.zeros_like(deviations), where=spread > 1e-12 * np.abs(observed)
    )
    scores = {"greater": scores, "less": -scores, "two-sided": np.abs(scores)}[alternative]
    largest = scores[1:].reshape(len(null), -1).max(axis=1)
    n_reached = len(null) - np.searchsorted(np.sort(largest), scores[0])
    return (1 + n_reached) / (1 + len(null))
