"""p-values from a null distribution that was drawn."""

from typing import Final

import numpy as np
from jaxtyping import Float, Num

from neurorec._checks import check_option

ALTERNATIVES: Final = ("greater", "less", "two-sided")


def permutation_p_value(
    observed: float | Num[np.ndarray, "*shape"],
    null: Num[np.ndarray, "draw *shape"],  # noqa: F821
    *,
    alternative: str = "greater",
) -> Float[np.ndarray, "*shape"]:
    r"""Share of a null distribution at least as extreme as what was observed.

    .. math:: p = \frac{1 + \#\{\mathrm{null} \ge \mathrm{observed}\}}{1 + n}

    The observed arrangement is one of those the null hypothesis allows, so it is counted: ``p`` is
    never 0 and the test is never too liberal.

    Parameters
    ----------
    observed
        Statistic of the data.
    null
        The statistic of ``n`` permuted data sets, along the first axis.
    alternative
        ``"greater"``, ``"less"``, or ``"two-sided"``: twice the smaller of the two, at most 1.

    Raises
    ------
    ValueError
        If the null distribution is empty or a value is not finite.

    Notes
    -----
    Phipson and Smyth (2010), *Statistical Applications in Genetics and Molecular Biology* 9, 39.
    """
    check_option("alternative", alternative, ALTERNATIVES)
    if len(null) == 0:
        raise ValueError("the null distribution is empty; draw at least one permutation")
    if not (np.isfinite(null).all() and np.isfinite(observed).all()):
        raise ValueError("a p-value needs finite values, got NaN or infinite ones")
    greater = (1 + np.sum(null >= observed, axis=0)) / (1 + len(null))
    less = (1 + np.sum(null <= observed, axis=0)) / (1 + len(null))
    p = {
        "greater": greater,
        "less": less,
        "two-sided": np.minimum(1.0, 2 * np.minimum(greater, less)),
    }[alternative]
    return np.asarray(p, dtype=float)
