"""Linear discriminant analysis with a shrunk covariance."""

from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from neurorec.geometry.decoder import AbstractLinearDecoder, Rule, class_means

_Patterns = Float64[np.ndarray, "presentation neuroid"]
_Means = Float64[np.ndarray, "n_classes neuroid"]


class ShrinkageLDA(AbstractLinearDecoder):
    r"""Linear discriminant analysis with a shrunk within-class covariance.

    .. math::

        \hat c(x) = \arg\max_c \, w_c \cdot x - \tfrac12 w_c \cdot m_c + \log \pi_c,
        \qquad w_c = \Sigma^{-1} m_c

    with ``m_c`` and ``pi_c`` the mean and the share of class c in training and

    .. math::

        \Sigma = \sum_c \pi_c D_c \left[(1 - \alpha_c) R_c + \alpha_c \bar r_c I\right] D_c,

    ``D_c`` the standard deviations of class c, ``R_c`` the covariance of its standardised
    patterns, :math:`\bar r_c` the mean of the diagonal of ``R_c`` and :math:`\alpha_c` the
    intensity of Ledoit and Wolf. It is the estimate that scikit-learn's
    ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")`` solves with, but it is solved
    in whichever of neuroids and presentations is smaller, so that a population of 20,000 neuroids
    needs no 20,000 x 20,000 matrix.

    Parameters
    ----------
    shrinkage
        ``"auto"``, or a fixed intensity from 0 to 1 towards the mean variance of the class
        (``D_c`` is then the identity).

    Raises
    ------
    ValueError
        If ``shrinkage`` is something else, a class has a single presentation, or responses
        do not vary within classes.

    References
    ----------
    Ledoit and Wolf (2004) Journal of Multivariate Analysis 88:365.
    """

    def __init__(self, shrinkage: Any = "auto") -> None:
        self.shrinkage = shrinkage

    def rule(self, patterns: Any, codes: Any, n_classes: int) -> Rule:
        """Solve for the discriminants in closed form."""
        _check_shrinkage(self.shrinkage)
        sizes = np.bincount(codes, minlength=n_classes)
        if sizes.min() < 2:
            raise ValueError(
                "LDA needs at least 2 presentations of each class in training, got a class with "
                "1 sample; add presentations or use nearest_mean"
            )
        means = class_means(patterns, codes, n_classes)
        deviations = patterns - means[codes]
        if np.abs(deviations).max() <= 1e-12 * np.abs(patterns).max():
            raise ValueError(
                "responses do not vary within classes, so LDA is undefined; "
                "drop such time bins or use nearest_mean"
            )
        root, ridge = covariance_parts(deviations, codes, self.shrinkage)
        coefficients = _solve(root, ridge, means)
        return coefficients, -0.5 * (coefficients * means).sum(axis=1) + np.log(sizes / len(codes))


def _check_shrinkage(shrinkage: Any) -> None:
    is_number = isinstance(shrinkage, Real) and not isinstance(shrinkage, bool)
    if shrinkage == "auto" or (is_number and 0 <= float(shrinkage) <= 1):
        return
    raise ValueError(f'shrinkage must be "auto" or a number from 0 to 1, got {shrinkage!r}')


def covariance_parts(
    deviations: _Patterns, codes: Int64[np.ndarray, " presentation"], shrinkage: Any
) -> tuple[_Patterns, Float64[np.ndarray, " neuroid"]]:
    """``root`` and ``ridge`` such that the covariance is ``root' root + diag(ridge)``.

    ``deviations`` are patterns less the mean of their class.
    """
    root, ridge = np.empty_like(deviations), np.zeros(deviations.shape[1])
    for code in np.unique(codes):
        rows = codes == code
        of_class = deviations[rows]
        n, share = len(of_class), rows.mean()
        scale = _deviation(of_class) if shrinkage == "auto" else np.ones(deviations.shape[1])
        standardised = of_class / scale
        intensity = ledoit_wolf_intensity(standardised) if shrinkage == "auto" else float(shrinkage)
        root[rows] = np.sqrt(share * (1 - intensity) / n) * of_class
        ridge += share * intensity * (standardised**2).mean() * scale**2
    return root, ridge


def _deviation(deviations: _Patterns) -> Float64[np.ndarray, " neuroid"]:
    """Standard deviation of each neuroid; one for those that do not vary."""
    deviation = np.sqrt((deviations**2).mean(axis=0))
    # Residues of rounding, as those of a constant that is no binary fraction, are no variance.
    return np.where(deviation > 1e-12 * max(deviation.max(), 1e-300), deviation, 1.0)


def ledoit_wolf_intensity(centred: _Patterns) -> float:
    r"""Optimal shrinkage towards the mean variance, from presentations-by-presentations sums.

    .. math::

        \alpha = \min(b, d) / d, \quad
        d = \|S\|_F^2 - p \mu^2, \quad
        b = \tfrac1n \Bigl(\tfrac1n \sum_i \|x_i\|^4 - \|S\|_F^2\Bigr)

    with ``S`` the covariance, ``p`` neuroids and :math:`\mu = \mathrm{tr}\, S / p`.
    """
    n, p = centred.shape
    small = centred.T @ centred if p <= n else centred @ centred.T
    squared_norm = (small**2).sum() / n**2
    lengths = (centred**2).sum(axis=1)
    distance = squared_norm - (lengths.sum() / n) ** 2 / p
    excess = min(((lengths**2).sum() / n - squared_norm) / n, distance)
    return 0.0 if excess <= 0 else float(excess / distance)


def _solve(root: _Patterns, ridge: Float64[np.ndarray, " neuroid"], means: _Means) -> _Means:
    """``means @ inverse(root' root + diag(ridge))``."""
    n, p = root.shape
    if p <= n:
        covariance = root.T @ root
        covariance[np.diag_indices(p)] += ridge
        try:
            return cho_solve(cho_factor(covariance), means.T).T
        except LinAlgError:
            return np.linalg.lstsq(covariance, means.T, rcond=None)[0].T
    if ridge.min() > 0:  # Woodbury's identity
        weighted = root / ridge
        inner = weighted @ root.T
        inner[np.diag_indices(n)] += 1
        scaled = means / ridge
        return scaled - cho_solve(cho_factor(inner), root @ scaled.T).T @ weighted
    # Without shrinkage and with more neuroids than presentations: the pseudo-inverse.
    _, s, vt = np.linalg.svd(root, full_matrices=False)
    kept = s > s[0] * np.sqrt(p * np.finfo(float).eps)
    return ((means @ vt[kept].T) / s[kept] ** 2) @ vt[kept]
