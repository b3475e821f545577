"""Linear discriminant analysis with a shrunk covariance."""

from numbers import Real
from typing import Any

import torch
from torch import Tensor

from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.fitting import (
    AbstractFitting,
    Block,
    BlockRules,
    Codes,
    Intercepts,
    class_means,
    lower_products,
    mean_weights,
)
from neurorec.geometry.shrunk_covariance import Parts, ShrunkCovariance


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

    fits_each_labelling = True

    def __init__(self, shrinkage: Any = "auto") -> None:
        self.shrinkage = shrinkage

    def fitting(self, codes: Codes, n_classes: int, n_units: int) -> AbstractFitting:
        """Discriminants in closed form, one labelling after the other."""
        _check_shrinkage(self.shrinkage)
        sizes = torch.stack([torch.bincount(one, minlength=n_classes) for one in codes])
        if sizes.min() < 2:
            raise ValueError(
                "LDA needs at least 2 presentations of each class in training, got a class with "
                "1 sample; add presentations or use nearest_mean"
            )
        shrinkage = None if self.shrinkage == "auto" else float(self.shrinkage)
        return _Fittings([_Fitting(one, n_classes, n_units, shrinkage) for one in codes])


def _check_shrinkage(shrinkage: Any) -> None:
    is_number = isinstance(shrinkage, Real) and not isinstance(shrinkage, bool)
    if shrinkage == "auto" or (is_number and 0 <= float(shrinkage) <= 1):
        return
    raise ValueError(f'shrinkage must be "auto" or a number from 0 to 1, got {shrinkage!r}')


class _Fittings(AbstractFitting):
    """The covariance depends on the labels, so that each labelling has a fit of its own."""

    def __init__(self, each: "list[_Fitting]") -> None:
        self._each = each

    @property
    def n_passes(self) -> int:
        return self._each[0].n_passes

    def observe(self, step: int, patterns: Block) -> None:
        for one in self._each:
            one.observe(step, patterns)

    def coefficients(self, patterns: Block) -> BlockRules:
        return torch.stack([one.coefficients(patterns) for one in self._each], dim=1)

    def intercepts(self) -> Intercepts:
        return torch.stack([one.intercepts() for one in self._each], dim=1)


class _Fitting:
    """One labelling: the covariance in the first pass, inner products in the second."""

    def __init__(self, codes: Tensor, n_classes: int, n_units: int, shrinkage: float | None):
        self._weights = mean_weights(codes[None], n_classes)
        self._covariance = ShrunkCovariance(codes, n_classes, n_units, shrinkage)
        self._in_units = n_units <= len(codes)
        sizes = torch.bincount(codes, minlength=n_classes).to(torch.float64)
        self._log_shares = (sizes / len(codes)).log()
        zero = torch.zeros((), dtype=torch.float64, device=codes.device)
        self._inner, self._cross, self._lengths, self._dual = zero, zero, zero, None

    @property
    def n_passes(self) -> int:
        return 1 if self._in_units else 2

    def observe(self, step: int, patterns: Block) -> None:
        means = self._means(patterns)
        if step == 0:
            self._covariance.observe(patterns, means)
            return
        parts = self._covariance.parts(patterns, means)
        weighted, _ = parts.scaled(means)
        self._inner = self._inner + weighted @ parts.root.mT
        self._cross = self._cross + weighted @ means.mT

    def coefficients(self, patterns: Block) -> Tensor:
        means = self._means(patterns)
        parts = self._covariance.parts(patterns, means)
        if self._in_units:
            found = _solve_in_units(parts, means)
        else:
            if self._dual is None:
                self._dual = _solve_in_presentations(self._inner, self._cross, parts.is_full)
            weighted, scaled = parts.scaled(means)
            found = scaled + self._dual.mT @ weighted
        self._lengths = self._lengths + (found * means).sum(dim=2)
        return found

    def intercepts(self) -> Tensor:
        return self._log_shares - 0.5 * self._lengths

    def _means(self, patterns: Block) -> Tensor:
        return class_means(self._weights, patterns)[:, 0]


def _solve_in_units(parts: Parts, means: Tensor) -> Tensor:
    """``means @ inverse(covariance)``; the pseudo-inverse where there is no inverse."""
    covariance = lower_products(parts.root)
    covariance.diagonal(dim1=1, dim2=2).add_(parts.ridge)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed.any():
        tolerance = covariance.shape[-1] * torch.finfo(torch.float64).eps
        complete = covariance.tril() + covariance.tril(diagonal=-1).mT
        return means @ torch.linalg.pinv(complete, rtol=tolerance, hermitian=True)
    return torch.cholesky_solve(means.mT, factor).mT


def _solve_in_presentations(inner: Tensor, cross: Tensor, is_full: Tensor) -> Tensor:
    """What each presentation adds to the discriminants: Woodbury's identity.

    Without shrinkage and with more neuroids than presentations the covariance has no inverse; then
    it is the pseudo-inverse, twice that of the inner products.
    """
    eye = torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    found = torch.empty_like(cross)
    if is_full.any():
        factor = torch.linalg.cholesky(inner[is_full] + eye)
        found[is_full] = -torch.cholesky_solve(cross[is_full], factor)
    for t in (~is_full).nonzero().flatten().tolist():
        values, vectors = torch.linalg.eigh(inner[t])
        kept = values > values[-1] * values.shape[-1] * torch.finfo(torch.float64).eps * 10
        taken = vectors[:, kept]
        found[t] = taken @ ((taken.mT @ cross[t]) / values[kept, None].square())
    return found
