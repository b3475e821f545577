"""p-values of many tests at once."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float, Num

from neurorec._checks import check_option
from neurorec.stats.permutation import permutation_p_value

#: Corrections for many tests, with the names that statsmodels gives them.
CORRECTIONS: Final[Mapping[str, str | None]] = MappingProxyType(
    {"none": None, "bonferroni": "bonferroni", "holm": "holm", "fdr": "fdr_bh"}
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
    """
    check_option("correction", correction, CORRECTIONS)
    tested = ~np.isnan(p)
    if ((p[tested] < 0) | (p[tested] > 1)).any():
        raise ValueError(
            f"p-values lie between 0 and 1, got {p[tested].min()} to {p[tested].max()}"
        )
    method = CORRECTIONS[correction]
    if method is None or not tested.any():
        return p
    from statsmodels.stats.multitest import multipletests  # slow to import

    out = np.full(p.shape, np.nan)
    out[tested] = multipletests(p[tested], method=method)[1]
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
        As :func:`permutation_p_value`.

    References
    ----------
    Westfall & Young (1993) *Resampling-Based Multiple Testing*; Nichols & Holmes (2002) *Human
    Brain Mapping* 15, 1-25.
    """
    check_option("alternative", alternative, ("greater", "less", "two-sided"))
    arrangements = np.concatenate([observed[None], null]).astype(float)
    deviations = arrangements - arrangements.mean(axis=0)
    spread = deviations.std(axis=0)
    scores = np.divide(
        deviations, spread, out=np.zeros_like(deviations), where=spread > 1e-12 * np.abs(observed)
    )
    scores = {"greater": scores, "less": -scores, "two-sided": np.abs(scores)}[alternative]
    largest = scores[1:].reshape(len(null), -1).max(axis=1)
    return permutation_p_value(scores[0], largest.reshape(-1, *[1] * observed.ndim))
