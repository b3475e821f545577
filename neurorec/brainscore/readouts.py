"""Readouts that only Brain-Score's metrics are made of."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from neurorec.encoding import OneToOne
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_search import checked_penalties
from neurorec.encoding.ridge_selection import Residuals, residuals
from neurorec.encoding.ridge_solver import (
    Basis,
    CentredBlocks,
    basis_from_blocks,
    basis_from_features,
    centred_blocks,
    indices,
    predictions,
    rotated,
)

Known = Float[Tensor, "train neuroid time_bin"]
HeldOut = Float[Tensor, "test neuroid time_bin"]


class AbstractEigenbasisReadout(ABC):
    """A readout with an intercept, of the eigenbasis of centred training features."""

    def predict_from_gram(
        self,
        gram: Float[Tensor, "row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        train_, test_ = indices(train, gram), indices(test, gram)
        blocks = centred_blocks(gram, train_, test_)
        return Prediction(self.of_blocks(blocks, responses[train_]))

    def predict_from_features(
        self,
        features: Float[Tensor, "row feature"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """The same, for fewer features than stimuli."""
        train_, test_ = indices(train, features), indices(test, features)
        basis = basis_from_features(features, train_, test_)
        return Prediction(self.of_basis(basis, responses[train_]))

    def of_blocks(self, blocks: CentredBlocks, known: Known) -> HeldOut:
        """Predictions from inner products that are centred."""
        return self.of_basis(basis_from_blocks(blocks), known)

    @abstractmethod
    def of_basis(self, basis: Basis, known: Known) -> HeldOut:
        """Predictions from the basis."""


def _penalised(basis: Basis, known: Known, penalty: float | int) -> HeldOut:
    columns = known.flatten(start_dim=1)
    penalties = columns.new_full((columns.shape[1],), float(penalty))
    held_out = predictions(basis, rotated(basis, columns), penalties)
    return held_out.reshape(-1, *known.shape[1:])


@final
@dataclass(frozen=True)
class LeastSquares(AbstractEigenbasisReadout):
    """Least squares with an intercept; of least norm where features outnumber stimuli.

    Inner products hold half the digits of features: directions of less than about 1e-6 of the
    largest singular value count as absent, where a factorisation of the features would go on to
    1e-16. Responses are what they are.
    """

    def of_basis(self, basis: Basis, known: Known) -> HeldOut:
        """Predictions from the basis."""
        return _penalised(basis, known, 0.0)


@final
@dataclass(frozen=True)
class FixedRidge(AbstractEigenbasisReadout):
    r"""Ridge with an intercept and one penalty that is given.

    .. math:: \hat y = \bar y + k^\top (K + \lambda I)^{-1} (y - \bar y)

    With nothing to choose a Cholesky factor does, which costs a tenth of an eigenbasis.

    Parameters
    ----------
    penalty
        Added to every eigenvalue.
    """

    penalty: float | int

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < float("inf"):
            raise ValueError(f"alpha must be a number that is not negative, got {self.penalty}")

    def of_blocks(self, blocks: CentredBlocks, known: Known) -> HeldOut:
        """Predictions from inner products that are centred."""
        inner, cross, size = blocks
        rounding = len(inner) * torch.finfo(inner.dtype).eps * size
        penalised = inner.clone()
        penalised.diagonal().add_(float(self.penalty))
        factor, failed = torch.linalg.cholesky_ex(penalised)
        if self.penalty <= rounding or bool(failed):
            # Less than what inner products are known to: directions without variance must go.
            return super().of_blocks(blocks, known)
        columns = (known - known.mean(dim=0)).flatten(start_dim=1)
        # Solved is for whichever are fewer, held-out stimuli or columns.
        if len(cross) <= columns.shape[1]:
            held_out = torch.cholesky_solve(cross.mT, factor).mT @ columns
        else:
            held_out = cross @ torch.cholesky_solve(columns, factor)
        return held_out.reshape(-1, *known.shape[1:]) + known.mean(dim=0)

    def of_basis(self, basis: Basis, known: Known) -> HeldOut:
        """Predictions from the basis."""
        return _penalised(basis, known, self.penalty)


@final
@dataclass(frozen=True)
class SharedPenaltyRidge(AbstractEigenbasisReadout):
    r"""Ridge with one penalty for all targets, of least error when each stimulus is left out.

    .. math:: \min_\lambda \sum_{ij} \left( \frac{y_{ij} - \hat y_{ij}}{1 - h_i} \right)^2

    the first of equals, as scikit-learn's ``RidgeCV`` with its defaults has it.

    Parameters
    ----------
    penalties
        Grid to choose from.
    """

    penalties: Sequence[float | int]

    def of_basis(self, basis: Basis, known: Known) -> HeldOut:
        """Predictions from the basis, of each time bin with a penalty of its own."""
        held_out = []
        for columns in known.unbind(dim=2):
            within = rotated(basis, columns)
            penalties = checked_penalties(self.penalties, columns.device)
            best = least_leave_one_out(residuals(basis, columns, within), penalties)
            held_out.append(predictions(basis, within, best.expand(columns.shape[1])))
        return torch.stack(held_out, dim=2)


def least_leave_one_out(rest: Residuals, penalties: Float[Tensor, " penalty"]) -> Float[Tensor, ""]:
    """The first penalty of least leave-one-out error, summed over targets.

    Residuals divided by ``1 - h_i`` are only made where a penalty can still be the best: their
    squares sum to no less than those of the residuals over the largest ``(1 - h_i)^2``.
    """
    squared = rest.basis.train**2
    kept = penalties[:, None] / (rest.basis.eigenvalues + penalties[:, None])
    outside = (1 - 1 / len(squared) - squared.sum(dim=1)).clamp_min(0)
    if rest.outside is None:
        outside = torch.zeros_like(outside)
    remaining = kept @ squared.mT + outside
    sums = rest.products(kept**2).sum(dim=1)
    n = remaining.shape[1]
    generalised = sums / remaining.mean(dim=1) ** 2
    least_possible = sums / remaining.amax(dim=1) ** 2 * (1 - 8 * n * torch.finfo(sums.dtype).eps)
    everything = torch.arange(rest.weights.shape[1], device=kept.device)
    errors = torch.full_like(sums, torch.inf)
    for a in generalised.argsort():
        # NaN, where there is nothing to divide by, rules out nothing.
        if not least_possible[a] > errors.min():
            residual = rest.at(kept[a], everything).square_().sum(dim=1)
            errors[a] = (residual / remaining[a] ** 2).sum()
    return penalties[errors.argmin()]


@final
@dataclass(frozen=True)
class BestUnit:
    """Each target's most correlated unit as it is; it needs the features themselves."""

    def predict(
        self,
        features: Float[np.ndarray, "stimulus feature time_bin"],
        responses: Float64[np.ndarray, "known neuroid time_bin"],
        train: Int[np.ndarray, " train"],
        test: Int[np.ndarray, " test"],
    ) -> Float64[np.ndarray, "test neuroid time_bin"]:
        """Activity of the best units of the stimuli ``train`` to the stimuli ``test``.

        A unit with the least negative correlation stands for a target that correlates positively
        with none.
        """
        held_out = []
        for t in range(responses.shape[2]):
            x = features[..., t].astype(np.float64, copy=False)
            unit = OneToOne("positive").fit(x[train], responses[train][..., t]).unit_
            held_out.append(x[test][:, unit])
        return np.stack(held_out, axis=2)
