"""Intervals of proportions."""

import numpy as np
from jaxtyping import Float64, Num


def wilson_interval(
    n_successes: Num[np.ndarray, "*any"], n: float | int, *, level: float | int
) -> tuple[Float64[np.ndarray, "*any"], Float64[np.ndarray, "*any"]]:
    """Wilson's score interval of ``n_successes`` out of ``n``.

    Raises
    ------
    ValueError
        If ``level`` does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(n_successes, n, alpha=1 - level, method="wilson")
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
