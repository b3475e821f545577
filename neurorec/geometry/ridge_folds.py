"""Ridge classifiers of all folds, from inner products that are made once."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.geometry.fitting import (
    AbstractFolds,
    Block,
    BlockRules,
    Codes,
    Intercepts,
    lower_products,
)
from neurorec.gram import centre

# Numbers of the matrices of some time bins, as float64 4 MiB: they stay near the processor.
_TOGETHER: Final = 2**19
# Sums of squares that are subtracted may be so many times what is left: one of sixteen digits.
_LOST: Final = 10.0

_Rows = Int64[Tensor, " _"]
_PerBin = Float64[Tensor, " time_bin"]


class RidgeFolds(AbstractFolds):
    r"""Rules with one penalty, in whichever of neuroids and presentations is smaller.

    .. math::

        X_T^\top X_T - n_T m m^\top &= X^\top X - X_R^\top X_R - n_T m m^\top \\
        H X_T X_T^\top H &= H (X X^\top)_{TT} H

    with ``X`` the patterns less the mean over all of them, which changes no rule, ``T`` training
    and ``R`` the rest, ``m`` the mean over training and ``H`` centring.
    """

    def __init__(self, patterns: Block, penalty: float) -> None:
        self._mean = patterns.mean(dim=1, keepdim=True)
        self._centred = patterns - self._mean
        self._penalty = penalty
        n_bins, self._n, n_units = patterns.shape
        self._in_units = n_units <= self._n
        step = max(1, _TOGETHER // min(n_units, self._n) ** 2)
        self._parts = [slice(first, first + step) for first in range(0, n_bins, step)]
        if self._in_units:
            self._products = lower_products(self._centred)
        else:
            below = lower_products(self._centred.mT).tril_()
            self._products = below + below.tril(diagonal=-1).mT

    def rules(
        self, training: Int64[np.ndarray, " training"], codes: Codes, n_classes: int
    ) -> tuple[BlockRules, Intercepts] | None:
        """Nothing where what is left of the differences above would have lost digits."""
        trained = torch.from_numpy(training).to(codes.device)
        rest = torch.ones(self._n, dtype=torch.bool, device=codes.device)
        rest[trained] = False
        rest = rest.nonzero().flatten()
        targets, means = targets_of(codes[:, trained], n_classes)
        found = []
        for part in self._parts:
            weights = self._weights(part, trained, rest, targets)
            if weights is None:
                return None
            found.append(weights)
        weights = torch.cat(found)
        mean = self._mean + _mean_without(self._centred, rest)
        offsets = (mean @ weights)[:, 0].unflatten(1, means.shape)
        return weights.mT.unflatten(1, means.shape), means - offsets

    def _weights(
        self, part: slice, trained: _Rows, rest: _Rows, targets: Tensor
    ) -> Float64[Tensor, "time_bin unit target"] | None:
        """Some time bins; nothing where digits would be lost."""
        solve = self._in_neuroids if self._in_units else self._in_presentations
        matrix, squares = solve(part, trained, rest)
        if not bool((squares < _LOST * _trace(matrix)).all()):
            return None
        matrix.diagonal(dim1=1, dim2=2).add_(self._penalty)
        factor = torch.linalg.cholesky_ex(matrix).L
        # What is not trained on has no weight, so that patterns are multiplied where they are.
        placed = targets.new_zeros(len(factor), self._n, targets.shape[1])
        if self._in_units:
            placed.index_copy_(1, trained, targets.expand(len(factor), *targets.shape))
            return torch.cholesky_solve(self._centred[part].mT @ placed, factor)
        dual = torch.cholesky_solve(targets.expand(len(factor), *targets.shape), factor)
        return self._centred[part].mT @ placed.index_copy_(1, trained, dual)

    def _in_neuroids(self, part: slice, trained: _Rows, rest: _Rows) -> tuple[Tensor, _PerBin]:
        """Sums over training around its mean, and the squares that they are differences of."""
        total, centred = self._products[part], self._centred[part]
        if len(rest) < len(trained):
            matrix = total - lower_products(centred[:, rest])
            squares = _trace(total)
        else:
            matrix = lower_products(centred[:, trained])
            squares = _trace(matrix)
        mean = _mean_without(centred, rest)
        return matrix.baddbmm_(mean.mT, mean, alpha=-len(trained)), squares

    def _in_presentations(self, part: slice, trained: _Rows, rest: _Rows) -> tuple[Tensor, _PerBin]:
        """The same for presentations."""
        columns = self._products[part].index_select(1, trained).mT.contiguous()
        products = columns.index_select(1, trained)
        return centre(products), _trace(products)


def _mean_without(centred: Block, rest: _Rows) -> Float64[Tensor, "time_bin 1 unit"]:
    """Mean of the others, of patterns whose sum is zero."""
    return centred[:, rest].sum(dim=1, keepdim=True) / (len(rest) - centred.shape[1])


def targets_of(
    codes: Codes, n_classes: int
) -> tuple[Float64[Tensor, "presentation target"], Float64[Tensor, "labelling n_classes"]]:
    """One for the class of a presentation and -1 for others, less their means; and the means."""
    one_hot = torch.nn.functional.one_hot(codes, n_classes).to(torch.float64)
    targets = (2 * one_hot - 1) / (2 if n_classes == 2 else 1)
    means = targets.mean(dim=1)
    return (targets - means[:, None]).transpose(0, 1).flatten(1), means


def _trace(matrix: Tensor) -> _PerBin:
    return matrix.diagonal(dim1=1, dim2=2).sum(dim=1)
