"""The shrunk within-class covariance of linear discriminant analysis, from blocks of units."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from neurorec.geometry.fitting import Block

# Deviations smaller than this share of the activity itself are rounding, as those of a constant
# that is no binary fraction.
_ROUNDING = 1e-12


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """``root`` and ``ridge`` such that the covariance is ``root' root + diag(ridge)``."""

    root: Block
    ridge: Float64[Tensor, "time_bin unit"]
    is_full: Bool[Tensor, " time_bin"]  # whether the ridge gives it full rank

    def scaled(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """``root`` and ``means`` times the inverse of the ridge; the root itself without one."""
        full = self.is_full[:, None]
        inverse = torch.where(full, 1 / torch.where(full, self.ridge, 1.0), 1.0)[:, None]
        return self.root * inverse, means * inverse * full[:, None]


class ShrunkCovariance:
    """Means of the covariances of classes, each shrunk by an intensity of its own.

    Parameters
    ----------
    shrinkage
        An intensity for all, or nothing for that of Ledoit and Wolf.
    """

    def __init__(
        self,
        codes: Int64[Tensor, " presentation"],
        n_classes: int,
        n_units: int,
        shrinkage: float | None,
    ) -> None:
        self._rows = [_rows(codes, code) for code in range(n_classes)]
        self._n_units, self._shrinkage = n_units, shrinkage
        zero = torch.zeros((), dtype=torch.float64, device=codes.device)
        self._lengths = [zero] * n_classes
        self._grams = [zero] * n_classes
        self._deviation, self._activity = zero, zero

    def observe(self, patterns: Block, means: Tensor) -> None:
        """Take in the lengths and inner products of the standardised patterns of a block."""
        for code, rows in enumerate(self._rows):
            deviations, scale = self._standardised(patterns[:, rows], means[:, code, None])
            self._deviation = self._deviation + _length(deviations)
            standardised = deviations / scale
            lengths = torch.linalg.vector_norm(standardised, dim=2).square()
            self._lengths[code] = self._lengths[code] + lengths
            if self._shrinkage is None and self._n_units > deviations.shape[1]:
                self._grams[code] = self._grams[code] + standardised @ standardised.mT
            elif self._shrinkage is None:
                self._grams[code] = standardised.mT @ standardised
        self._activity = self._activity + _length(patterns)

    def parts(self, patterns: Block, means: Tensor) -> Parts:
        """The covariance of the units of one block, once all have been observed."""
        if bool((self._deviation <= _ROUNDING * self._activity).any()):
            raise ValueError(
                "responses do not vary within classes, so LDA is undefined; "
                "drop such time bins or use nearest_mean"
            )
        # Rows of the root lie class by class: which is which does not matter to the covariance.
        first, root, ridge = 0, torch.empty_like(patterns), torch.zeros_like(patterns[:, 0])
        total = torch.zeros_like(patterns[:, 0, 0])
        for code, rows in enumerate(self._rows):
            deviations, scale = self._standardised(patterns[:, rows], means[:, code, None])
            n, intensity = deviations.shape[1], self._intensity(code)
            share = n / patterns.shape[1]
            weight = share * intensity * self._mean_variance(code)
            factor = (share * (1 - intensity) / n).sqrt()[:, None, None]
            torch.mul(deviations, factor, out=root[:, first : first + n])
            first += n
            ridge += weight[:, None] * scale[:, 0].square()
            total += weight
        return Parts(root=root, ridge=ridge, is_full=total > 0)

    def _standardised(self, patterns: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Deviations of one class, and what to divide them by."""
        deviations = patterns - mean
        if self._shrinkage is not None:
            return deviations, torch.ones_like(mean)
        scale = torch.linalg.vector_norm(deviations, dim=1, keepdim=True)
        scale /= deviations.shape[1] ** 0.5
        constant = scale <= _ROUNDING * mean.abs()
        return deviations, scale.masked_fill(constant, 1.0)

    def _mean_variance(self, code: int) -> Float64[Tensor, " time_bin"]:
        return self._lengths[code].mean(dim=1) / self._n_units

    def _intensity(self, code: int) -> Float64[Tensor, " time_bin"]:
        if self._shrinkage is not None:
            return torch.full_like(self._mean_variance(code), self._shrinkage)
        return _intensity(
            self._grams[code].square().sum(dim=(1, 2)), self._lengths[code], self._n_units
        )


def _rows(codes: Int64[Tensor, " presentation"], code: int) -> Tensor | slice:
    """Rows of a class; a slice where they follow one another, which copies nothing."""
    rows = (codes == code).nonzero().flatten()
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _length(values: Tensor) -> Float64[Tensor, " time_bin"]:
    return torch.linalg.vector_norm(values, dim=(1, 2))


def ledoit_wolf_intensity(centred: Float64[np.ndarray, "presentation neuroid"]) -> float:
    r"""Optimal shrinkage towards the mean variance, from presentations-by-presentations sums.

    .. math::

        \alpha = \min(b, d) / d, \quad
        d = \|S\|_F^2 - p \mu^2, \quad
        b = \tfrac1n \Bigl(\tfrac1n \sum_i \|x_i\|^4 - \|S\|_F^2\Bigr)

    with ``S`` the covariance, ``p`` neuroids and :math:`\mu = \mathrm{tr}\, S / p`.
    """
    n, p = centred.shape
    small = centred.T @ centred if p <= n else centred @ centred.T
    lengths = torch.from_numpy((centred**2).sum(axis=1))[None]
    return float(_intensity(torch.tensor([(small**2).sum()]), lengths, p)[0])


def _intensity(
    squares: Float64[Tensor, " time_bin"],
    lengths: Float64[Tensor, "time_bin presentation"],
    p: int,
) -> Float64[Tensor, " time_bin"]:
    """Intensity from the squared norm of the sums of products and squared lengths of patterns."""
    n = lengths.shape[1]
    squared_norm = squares / n**2
    distance = squared_norm - lengths.mean(dim=1).square() / p
    spread = lengths.square().mean(dim=1) - squared_norm
    # A class of two has none: what is left of the difference then is rounding.
    found = (spread > _ROUNDING * squared_norm) & (distance > 0)
    intensity = torch.minimum(spread / n, distance) / torch.where(found, distance, 1.0)
    return torch.where(found, intensity, 0.0)
