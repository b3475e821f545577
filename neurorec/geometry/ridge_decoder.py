"""The ridge classifier: least squares on labels of plus and minus one, with a penalty."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.fitting import (
    AbstractFitting,
    Block,
    BlockRules,
    Codes,
    Intercepts,
    lower_products,
)
from neurorec.geometry.ridge_folds import RidgeFolds, targets_of

#: Penalties to choose from, in units of the mean squared length of the centred patterns.
RELATIVE_PENALTIES: Final = tuple(float(10 ** (k / 2)) for k in range(-8, 7))


class RidgeDecoder(AbstractLinearDecoder):
    r"""One ridge regression per class, on targets of one for its presentations and -1 for others.

    .. math::

        \hat c(x) = \arg\max_c \, w_c \cdot x + b_c, \qquad
        (w_c, b_c) = \arg\min \sum_i (y_{ic} - w_c \cdot x_i - b_c)^2 + \lambda \|w_c\|^2

    solved in whichever of neuroids and presentations is smaller. With a given penalty it is
    scikit-learn's ``RidgeClassifier(alpha=penalty)``, with several ``RidgeClassifierCV``. Of two
    classes each row is half of that regression, so that their difference is the regression.

    Parameters
    ----------
    penalty
        A positive number, in squared units of the activity; or several, of which the one with the
        least squared leave-one-out error over all classes is taken, computed exactly without
        refitting,

        .. math:: e_{ic} = (y_{ic} - \hat y_{ic}) / (1 - h_i),

        with ``h_i`` the diagonal of the matrix that takes targets to predictions, the intercept's
        ``1 / n`` included. ``"auto"`` chooses from ``RELATIVE_PENALTIES`` times the mean squared
        length of the centred training patterns, so that rescaled activity gives the same rule.

    Raises
    ------
    ValueError
        If ``penalty`` is something else, or training patterns do not vary.

    References
    ----------
    The leave-one-out identity: Allen (1974) Technometrics 16:125. The penalties of ``"auto"`` are
    our choice.
    """

    def __init__(self, penalty: Any = "auto") -> None:
        self.penalty = penalty

    def fitting(self, codes: Codes, n_classes: int, n_units: int) -> AbstractFitting:
        """Coefficients in the span of the training patterns."""
        return _Fitting(codes, n_classes, n_units, penalties_of(self.penalty))

    def folds(self, patterns: Block) -> RidgeFolds | None:
        """Where there is one penalty; others need the patterns of each training set."""
        penalties = penalties_of(self.penalty)
        if penalties is None or len(penalties) != 1:
            return None
        return RidgeFolds(patterns, penalties[0])


def penalties_of(penalty: Any) -> tuple[float, ...] | None:
    """Penalties to choose from; nothing where they are to be relative to the activity.

    Raises
    ------
    ValueError
        If ``penalty`` is neither ``"auto"`` nor one or more positive numbers.
    """
    if isinstance(penalty, str) and penalty == "auto":
        return None
    several = isinstance(penalty, Iterable) and not isinstance(penalty, str)
    values: list[Any] = list(penalty) if several else [penalty]
    valid = [
        isinstance(v, Real) and not isinstance(v, bool) and 0 < float(v) < np.inf for v in values
    ]
    if not (values and all(valid)):
        raise ValueError(
            f'penalty must be "auto", a positive number or several of them, got {penalty!r}'
        )
    return tuple(float(v) for v in values)


class _Fitting(AbstractFitting):
    def __init__(
        self, codes: Codes, n_classes: int, n_units: int, penalties: tuple[float, ...] | None
    ) -> None:
        self._targets, self._means = targets_of(codes, n_classes)
        self._shape = self._means.shape  # (labelling, class)
        self._penalties = penalties
        self._in_units = n_units <= codes.shape[1]
        zero = torch.zeros((), dtype=torch.float64, device=codes.device)
        self._kernel, self._offsets, self._dual = zero, zero, None

    @property
    def n_passes(self) -> int:
        return 0 if self._in_units else 1

    def observe(self, step: int, patterns: Block) -> None:
        centred = patterns - patterns.mean(dim=1, keepdim=True)
        self._kernel = self._kernel + lower_products(centred.mT)

    def coefficients(self, patterns: Block) -> BlockRules:
        mean = patterns.mean(dim=1, keepdim=True)
        centred = patterns - mean
        if self._in_units:
            weights = self._solve(lower_products(centred), centred)
        else:
            if self._dual is None:
                self._dual = self._solve(self._kernel, None)
            weights = centred.mT @ self._dual
        self._offsets = self._offsets + (mean @ weights)[:, 0]
        return weights.mT.unflatten(1, self._shape)

    def intercepts(self) -> Intercepts:
        return self._means - self._offsets.unflatten(1, self._shape)

    def _solve(self, matrix: Tensor, centred: Tensor | None) -> Tensor:
        """Inverse of ``matrix`` plus the penalty, times targets: in units or in presentations.

        Of ``matrix`` only the lower triangle counts, and it may be written to.
        """
        trace = matrix.diagonal(dim1=1, dim2=2).sum(dim=1)
        if not (trace > 0).all():
            raise ValueError(
                "training patterns are all the same, so there is nothing to regress on; "
                "drop such time bins"
            )
        right = self._targets if centred is None else centred.mT @ self._targets
        if self._penalties is not None and len(self._penalties) == 1:
            matrix.diagonal(dim1=1, dim2=2).add_(self._penalties[0])
            factor = torch.linalg.cholesky_ex(matrix).L
            return torch.cholesky_solve(right.expand(len(matrix), *right.shape[-2:]), factor)
        values, vectors = torch.linalg.eigh(matrix)  # of its lower triangle
        values = values.clamp(min=0)
        projected = vectors.mT @ right
        chosen = self._chosen(values, vectors, projected, centred, self._candidates(trace))
        each = chosen.repeat_interleave(self._shape[1], dim=1)  # (time_bin, labelling x class)
        return vectors @ (projected / (values[:, :, None] + each[:, None]))

    def _candidates(self, trace: Tensor) -> Float64[Tensor, "penalty time_bin"]:
        given = RELATIVE_PENALTIES if self._penalties is None else self._penalties
        unit = trace / len(self._targets) if self._penalties is None else torch.ones_like(trace)
        return torch.tensor(given, dtype=torch.float64, device=trace.device)[:, None] * unit

    def _chosen(
        self,
        values: Tensor,
        vectors: Tensor,
        projected: Tensor,
        centred: Tensor | None,
        candidates: Float64[Tensor, "penalty time_bin"],
    ) -> Float64[Tensor, "time_bin labelling"]:
        """The penalty with the least squared leave-one-out error, for each labelling."""
        basis = vectors if centred is None else centred @ vectors
        losses = []
        for penalty in candidates:
            gain = 1 / (values + penalty[:, None])
            gain = gain * values if centred is None else gain
            fitted = basis @ (gain[:, :, None] * projected)
            leverage = (basis.square() @ gain[:, :, None]) + 1 / len(self._targets)
            errors = ((self._targets - fitted) / (1 - leverage)).square().sum(dim=1)
            losses.append(errors.unflatten(1, self._shape).sum(dim=2))
        best = torch.stack(losses).argmin(dim=0)  # (time_bin, labelling)
        return candidates.gather(0, best.mT).mT
