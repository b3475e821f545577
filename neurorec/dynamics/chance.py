"""What a decoder that knows nothing reaches, and which accuracy is more than that."""

from numbers import Integral

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats


def significant_accuracy(n_tested: int, *, chance: float, alpha: float = 0.05) -> float:
    r"""Smallest accuracy that is significantly above chance, by the exact binomial test.

    .. math:: \min \{k / n : P(X \ge k) \le \alpha\}, \qquad X \sim B(n, p)

    Parameters
    ----------
    n_tested
        Number of presentations that are tested, each once.
    chance
        Probability of being right by chance: one over the number of classes where they are equally
        frequent. Where they are not, the share of the largest class is what a decoder that always
        names it reaches.

    Raises
    ------
    ValueError
        If a number is out of range, or even to be right every time would not be significant.

    Notes
    -----
    It takes presentations to be independent, which those of one stimulus and those that share
    training sets are not; the permutation null needs no such assumption. Combrisson and Jerbi
    (2015) Journal of Neuroscience Methods 250:126.
    """
    if isinstance(n_tested, bool) or not isinstance(n_tested, Integral) or n_tested < 1:
        raise ValueError(f"n_tested must be a positive number of presentations, got {n_tested!r}")
    for name, value in (("chance", chance), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {value}")
    n_right = np.arange(n_tested + 1)
    significant = n_right[stats.binom.sf(n_right - 1, n_tested, chance) <= alpha]
    if not len(significant):
        raise ValueError(
            f"with {n_tested} presentations and chance {chance:.3g} even to be right every time "
            f"is not significant at {alpha}; test more presentations"
        )
    return float(significant[0] / n_tested)


def shares(
    codes: Int64[np.ndarray, "labelling presentation"], *, balanced: bool
) -> Float64[np.ndarray, "labelling presentation"]:
    """How much each presentation counts, on average one.

    All count the same, or, balanced, all classes do: the accuracy is then the mean over classes of
    the share that is named correctly.
    """
    if not balanced:
        return np.ones(codes.shape)
    counts = np.stack([np.bincount(one, minlength=codes.max() + 1) for one in codes])
    present = (counts > 0).sum(axis=1, keepdims=True)
    return codes.shape[1] / (present * np.take_along_axis(counts, codes, axis=1))


def effective_n(codes: Int64[np.ndarray, " presentation"], *, balanced: bool) -> float:
    r"""Number of equally weighted presentations whose accuracy varies as much.

    .. math:: n_\mathrm{eff} = C^2 / \sum_c n_c^{-1}

    for balanced accuracy with ``n_c`` presentations of class c, all equally easy.
    """
    weights = shares(codes[None], balanced=balanced)
    return float(weights.sum() ** 2 / (weights**2).sum())
