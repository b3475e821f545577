"""Correlation coefficients with a stated answer where there is no variance."""

import numpy as np
from jaxtyping import Float, Num

# Sums of squares of centred values below this share of those of the raw values are rounding.
_ROUNDING = 1e-20


def pearson(
    a: Num[np.ndarray, "..."], b: Num[np.ndarray, "..."], *, axis: int = 0
) -> Float[np.ndarray, "..."]:
    r"""Pearson correlation over one axis of two arrays that broadcast.

    .. math:: r = \frac{\sum (a - \bar a)(b - \bar b)}
                        {\sqrt{\sum (a - \bar a)^2 \sum (b - \bar b)^2}}

    Where either side is constant the coefficient is undefined; it is 0 here, since a constant
    says nothing about the other side. :func:`is_constant` tells where that happened.
    """
    deviation_a, norm_a = _unit_deviation(np.asarray(a, dtype=float), axis)
    deviation_b, norm_b = _unit_deviation(np.asarray(b, dtype=float), axis)
    r = np.sum(deviation_a * deviation_b, axis=axis)
    return np.asarray(np.clip(r, -1, 1) * (norm_a > 0) * (norm_b > 0))


def is_constant(values: Num[np.ndarray, "..."], *, axis: int = 0) -> np.ndarray:
    """Where the values along ``axis`` are all equal, up to rounding."""
    _, norm = _unit_deviation(np.asarray(values, dtype=float), axis)
    return np.asarray(norm == 0)


def spearman_brown(
    reliability: Float[np.ndarray, "*shape"],
    *,
    lengthening: float | Float[np.ndarray, "..."] = 2.0,
) -> Float[np.ndarray, "*shape"]:
    r"""Reliability of a mean over ``lengthening`` times as many repetitions.

    .. math:: \frac{k r}{1 + (k - 1) r}

    applied to the magnitude of ``r``; its sign is kept.

    Raises
    ------
    ValueError
        If ``lengthening`` is not positive.

    Notes
    -----
    Spearman (1910) and Brown (1910), *British Journal of Psychology* 3, 271-295 and 296-322.
    """
    if np.min(lengthening) <= 0:
        raise ValueError(f"lengthening must be positive, got {lengthening}")
    # Below 0, where no reliability lies but its estimates from few stimuli do, the formula runs
    # into its pole at -1 / (k - 1). Taking the magnitude and keeping the sign leaves estimates
    # that scatter around 0 there.
    size = np.abs(reliability)
    return np.sign(reliability) * lengthening * size / (1 + (lengthening - 1) * size)


def _unit_deviation(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from the mean scaled to norm 1, and their norm, 0 where it is rounding."""
    deviation = values - values.mean(axis=axis, keepdims=True)
    squares = np.sum(deviation**2, axis=axis, keepdims=True)
    squares = np.where(
        squares > _ROUNDING * np.sum(values**2, axis=axis, keepdims=True), squares, 0
    )
    norm = np.sqrt(squares)
    return deviation / np.where(norm > 0, norm, 1), np.squeeze(norm, axis=axis)
