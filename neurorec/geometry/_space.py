"""Single presentations and the metric of their noise, in whichever space is smaller.

The covariance of the noise is ``a R'R + b I`` with as many residuals ``R`` as presentations. With
more units than presentations all follows from the inner products of presentations (Woodbury's
identity); with fewer, from the covariance of units itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from neurorec.geometry.noise_covariance import Covariance, Residuals, Units
from neurorec.geometry.presentations import Presentations
from neurorec.gram import centre

_Products = Float64[Tensor, "time_bin stimulus stimulus_b"]


class AbstractSpace(ABC):
    """Presentations over time, less their mean."""

    @abstractmethod
    def inner(self, first: Presentations, second: Presentations) -> _Products:
        """Inner products of two sets of stimulus means."""

    @abstractmethod
    def residuals(self, train: Presentations) -> Residuals:
        """Inner products of the residuals of some presentations around stimulus means."""

    @abstractmethod
    def whitened(
        self,
        pairs: Sequence[tuple[Presentations, Presentations]],
        train: Presentations,
        matrix: Tensor,
        covariance: Covariance,
    ) -> Float64[Tensor, "pair time_bin stimulus stimulus_b"]:
        """As ``inner`` of each pair, in the metric of a covariance.

        ``matrix`` is that of the residuals of ``train``.
        """

    @abstractmethod
    def parts(self) -> "list[AbstractSpace]":
        """Some time bins at a time, so that matrices that are made of them stay small."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class InPresentations(AbstractSpace):
    """Inner products of presentations."""

    products: Float64[Tensor, "time_bin presentation presentation"]
    units: Units

    def inner(self, first: Presentations, second: Presentations) -> _Products:
        """Averages the rows and columns of the inner products."""
        return self._rows(first, second) @ second.weights(self.products.device).mT

    def residuals(self, train: Presentations) -> Residuals:
        """Subtracts the means of stimuli from rows and columns."""
        across = self._products(train, train)
        matrix = _without_means(_without_means(across, train).mT, train)
        return Residuals(
            matrix=matrix,
            lengths=matrix.diagonal(dim1=-2, dim2=-1).clamp(min=0),
            freedom=train.freedom,
            units=self.units,
        )

    def whitened(
        self,
        pairs: Sequence[tuple[Presentations, Presentations]],
        train: Presentations,
        matrix: Tensor,
        covariance: Covariance,
    ) -> Float64[Tensor, "pair time_bin stimulus stimulus_b"]:
        r""":math:`(K - c\, V (I + c R R^\top)^{-1} U^\top) / b`, with ``c = a / b``."""
        scale = covariance.of_identity[:, None, None]
        ratio = covariance.of_residuals[:, None, None] / scale
        inner = ratio * matrix
        inner.diagonal(dim1=-2, dim2=-1).add_(1)
        factor = torch.linalg.cholesky(inner)
        products = []
        for first, second in pairs:
            left = _without_means(self._rows(first, train), train)
            right = left if second is first else _without_means(self._rows(second, train), train)
            explained = left @ torch.cholesky_solve(right.mT, factor)
            products.append((self.inner(first, second) - ratio * explained) / scale)
        return torch.stack(products)

    def parts(self) -> list[AbstractSpace]:
        """Some time bins at a time."""
        step = _n_bins(self.products)
        parts = zip(self.products.split(step), self.units.split(step), strict=True)
        return [InPresentations(products=products, units=units) for products, units in parts]

    def _products(self, first: Presentations, second: Presentations) -> Tensor:
        return self.products[:, first.rows[:, None], second.rows]

    def _rows(self, first: Presentations, second: Presentations) -> Tensor:
        """Inner products of stimulus means of the first and presentations of the second."""
        return first.weights(self.products.device) @ self._products(first, second)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class InUnits(AbstractSpace):
    """Responses themselves, of fewer units than presentations."""

    values: Float64[Tensor, "time_bin presentation unit"]
    units: Units

    def inner(self, first: Presentations, second: Presentations) -> _Products:
        """Products of means."""
        return self._means(first) @ self._means(second).mT

    def residuals(self, train: Presentations) -> Residuals:
        """Their products between units."""
        means = self._means(train)
        deviations = self.values[:, train.rows] - means[:, train.stimulus]
        return Residuals(
            matrix=deviations.mT @ deviations,
            lengths=deviations.square().sum(dim=-1),
            freedom=train.freedom,
            units=self.units,
        )

    def whitened(
        self,
        pairs: Sequence[tuple[Presentations, Presentations]],
        train: Presentations,
        matrix: Tensor,
        covariance: Covariance,
    ) -> Float64[Tensor, "pair time_bin stimulus stimulus_b"]:
        """Solves with the covariance of units."""
        sigma = covariance.of_residuals[:, None, None] * matrix
        sigma.diagonal(dim1=-2, dim2=-1).add_(covariance.of_identity[:, None])
        factor = torch.linalg.cholesky(sigma)
        return torch.stack(
            [
                self._means(first) @ torch.cholesky_solve(self._means(second).mT, factor)
                for first, second in pairs
            ]
        )

    def parts(self) -> list[AbstractSpace]:
        """Some time bins at a time."""
        step = _n_bins(self.values)
        parts = zip(self.values.split(step), self.units.split(step), strict=True)
        return [InUnits(values=values, units=units) for values, units in parts]

    def _means(self, some: Presentations) -> Tensor:
        return some.weights(self.values.device) @ self.values[:, some.rows]


def in_presentations(products: Tensor, units: Units) -> InPresentations:
    """Space of inner products; only differences of presentations count, so they are centred."""
    return InPresentations(products=centre(products), units=units)


def in_units(values: np.ndarray, units: Units, device: torch.device) -> InUnits:
    """Space of responses (presentation, unit, time_bin), less their mean over presentations."""
    of_time = np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float64)
    of_time = torch.from_numpy(of_time).to(device)
    return InUnits(values=of_time - of_time.mean(dim=1, keepdim=True), units=units)


def _without_means(products: Tensor, train: Presentations) -> Tensor:
    """Columns, which are presentations, less the means of their stimuli."""
    means = products @ train.weights(products.device).mT
    return products - means[..., train.stimulus]


def _n_bins(values: Tensor) -> int:
    """So many time bins that a matrix of each takes 64 MiB together."""
    return max(1, 2**23 // values[0].numel())
