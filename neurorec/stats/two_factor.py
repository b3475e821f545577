"""Variance over two random factors, from bootstraps of one and of both."""

import numpy as np
from jaxtyping import Float


def two_factor_variance(
    both: Float[np.ndarray, "*shape"],
    first: Float[np.ndarray, "*shape"],
    second: Float[np.ndarray, "*shape"],
    *,
    n_first: int,
    n_second: int,
) -> Float[np.ndarray, "*shape"]:
    r"""Variance of a statistic of crossed samples, from the variances of three bootstraps.

    Resampling both factors at once counts the noise of single measurements three times, each of
    the two alone once. With :math:`\gamma = n / (n - 1)` for each factor,

    .. math::

        \hat\sigma^2 = \gamma_1 \sigma_1^2 + \gamma_2 \sigma_2^2
            - \gamma_1 \gamma_2 (\sigma_{12}^2 - \sigma_1^2 - \sigma_2^2)

    which for large samples is :math:`2 (\sigma_1^2 + \sigma_2^2) - \sigma_{12}^2`. The estimate is
    kept at or above both variances over one factor, and at or below that over both.

    Parameters
    ----------
    both, first, second
        Variances when both factors, the first, and the second are resampled.
    n_first, n_second
        Sizes of the two samples.

    Raises
    ------
    ValueError
        If a sample has fewer than two members.

    References
    ----------
    Schütt, Kipnis, Diedrichsen & Kriegeskorte (2023) *eLife* 12:e82566.
    """
    if n_first < 2 or n_second < 2:
        raise ValueError(
            "a variance over two factors needs at least 2 members of each, got "
            f"{n_first} and {n_second}; resample the other factor alone"
        )
    one, two = n_first / (n_first - 1), n_second / (n_second - 1)
    estimate = one * first + two * second - one * two * (both - first - second)
    return np.asarray(np.minimum(np.maximum(estimate, np.maximum(one * first, two * second)), both))
