"""Bootstrap intervals, drawn by scipy."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Num
from scipy.stats import bootstrap

from neurorec._checks import check_option

#: Kinds of interval, by scipy's names.
METHODS: Final = ("percentile", "basic", "BCa")

# Resampled copies of the data that are held at once, in numbers.
_BATCH_SIZE = 2**24


def bootstrap_interval(
    values: Num[np.ndarray, "..."],
    *,
    statistic: Callable[..., Any] = np.median,
    axis: int = -1,
    n_draws: int = 1000,
    level: float = 0.95,
    method: str = "percentile",
    seed: int | np.random.Generator,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Limits of a bootstrap interval of a statistic over one axis.

    The same resampled indices serve all other axes, so that a curve is resampled as a whole.

    Parameters
    ----------
    values
        Observations along ``axis``.
    statistic
        Reduces an axis: called as ``statistic(values, axis=...)``.
    n_draws
        Resampled data sets.
    level
        Nominal coverage, between 0 and 1.
    method
        ``"percentile"``, ``"basic"``, or ``"BCa"`` (bias-corrected and accelerated), which is
        second-order accurate for smooth statistics such as a mean and not meant for a median.

    Raises
    ------
    ValueError
        If there are fewer than two observations, a value is not finite, or an option is out of
        range.

    Notes
    -----
    Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, chapters 13 and 14.
    """
    check_option("method", method, METHODS)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    if values.ndim == 0 or values.shape[axis] < 2:
        raise ValueError(
            f"a bootstrap needs at least 2 observations, got an array of shape {values.shape} "
            f"along axis {axis}"
        )
    if not np.isfinite(values).all():
        raise ValueError("a bootstrap needs finite values, got NaN or infinite ones; drop them")
    interval = bootstrap(
        (values,),
        statistic,
        axis=axis,
        n_resamples=n_draws,
        batch=max(1, _BATCH_SIZE // values.size),
        confidence_level=level,
        method=method,
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.asarray(interval.low, dtype=float), np.asarray(interval.high, dtype=float)
