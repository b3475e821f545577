"""Space times channel."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from neurorec.encoding._sklearn import LinearReadout, unwrapped, validated
from neurorec.encoding.factorised_solver import (
    Factors,
    Stop,
    alternate,
    first_directions,
    path,
    predicted,
)
from neurorec.encoding.ridge_solver import (
    Basis,
    basis_from_features,
    basis_from_gram,
    dual_weights,
    mean_eigenvalue,
    rotated,
)
from neurorec.gram import resolve_device

# Multiples of the mean eigenvalue. A decade apart: with so few weights the error is flat.
_MULTIPLES: Final = tuple(10.0**k for k in range(3, -5, -1))
_PATIENCE: Final = 2  # penalties that a target tries beyond the best: small ones take most sweeps
_NUMBERS: Final = 2**25  # in the weights of ridge of the targets whose start is sought together


class Factorised(LinearReadout):
    r"""Weights that are a product of channel weights and spatial weights.

    .. math:: \min_{a, b, c} \; \sum_i \Big( y_i - c - \sum_{ks} a_k b_s x_{iks} \Big)^2
              + \lambda \lVert a \rVert^2 \lVert b \rVert^2

    for every target, with channels ``k`` and positions ``s``: channels + positions numbers
    instead of channels * positions. Alternating closed-form ridge regressions from the rank-one
    part of the weights of ridge, down a path of penalties; deterministic. With one channel, or
    one position, this is ridge.

    Parameters
    ----------
    shape
        ``(channels, rows, cols)``. Columns of ``X`` are in the order of a flattened array of that
        shape; :func:`grid_shape` reads shape and order from an assembly.
    penalties
        Grid to choose from for each target by the error over ``folds``. If left out, a log grid
        in multiples of the mean eigenvalue of the Gram matrix, a decade apart, from 1e-4 to 1e3.
        They are tried from the largest on, until two in a row have not lowered the error.
    folds
        Number of folds of training stimuli, dealt out in turn, when there is a choice of
        penalties. Few by default: each costs as much as the fit.
    tolerance
        A target has converged when a sweep lowers its objective by less than this share of its
        sum of squares.
    max_sweeps
        Sweeps at each penalty after which a target counts as not converged.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    channel_weights_
        (target, channel), or (channel) when ``y`` had one dimension; they carry the size.
    spatial_weights_
        (target, row, col), or (row, col); of norm 1 and with a sum that is not negative.
    coef_
        Their product (target, unit), or (unit).
    intercept_, penalty_
        One number per target.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Klindt, Ecker, Euler and Bethge (2017), *NeurIPS* 30, 3506-3516, with a ridge penalty in place
    of sparseness and least squares on given features.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(
        self,
        shape: Any = None,
        penalties: Any = None,
        folds: Any = 3,
        tolerance: Any = 1e-5,
        max_sweeps: Any = 500,
        device: Any = "cpu",
    ) -> None:
        self.shape = shape
        self.penalties = penalties
        self.folds = folds
        self.tolerance = tolerance
        self.max_sweeps = max_sweeps
        self.device = device

    def fit(self, X: Any, y: Any) -> "Factorised":
        """Fit both factors, the intercept and the penalty of every target.

        Raises
        ------
        ValueError
            If ``shape`` is missing or does not match the features, arrays are not finite, lengths
            differ, there are fewer samples than folds, or a penalty is not positive or too small.

        Warns
        -----
        ConvergenceWarning
            If a target has not converged at its penalty.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        shape = self._checked_shape(X.shape[1])
        target = resolve_device(self.device)
        features = torch.from_numpy(np.array(X)).to(target)
        mean = features.mean(dim=0)
        features -= mean
        responses = torch.from_numpy(np.array(y, dtype=np.float64)).to(target).reshape(len(X), -1)
        centre = responses.mean(dim=0)
        grid = features.reshape(len(X), shape[0], -1)
        penalties = self._grid_of_penalties(features)
        stop = Stop(float(self.tolerance), int(self.max_sweeps))
        chosen = self._choose(grid, responses, penalties, stop)
        factors = _with_positive_sum(_final(grid, responses - centre, penalties, chosen, stop))
        _warn_unless_converged(factors, stop)
        coef = torch.einsum("tc,ts->tcs", factors.channel, factors.space).flatten(start_dim=1)
        one = np.ndim(y) == 1
        space = factors.space.reshape(-1, *shape[1:])
        self.channel_weights_ = unwrapped(factors.channel, one)
        self.spatial_weights_ = unwrapped(space, one)
        self.coef_ = unwrapped(coef, one)
        self.intercept_ = unwrapped(centre - coef @ mean, one)
        table = torch.tensor(penalties, dtype=torch.float64, device=target)
        self.penalty_ = unwrapped(table[chosen], one)
        return self

    def _checked_shape(self, n_units: int) -> tuple[int, int, int]:
        if self.shape is None:
            raise ValueError(
                "Factorised needs shape=(channels, rows, cols), got None; read it from an "
                "assembly whose units have positions with neurorec.encoding.grid_shape"
            )
        shape = tuple(int(size) for size in self.shape)
        if len(shape) != 3 or min(shape) < 1 or math.prod(shape) != n_units:
            raise ValueError(
                f"shape must be (channels, rows, cols) with a product of {n_units}, the number of "
                f"units, got {self.shape}; keep all positions of every channel"
            )
        return shape

    def _grid_of_penalties(self, features: Tensor) -> list[float]:
        """Descending."""
        if self.penalties is None:
            scale = mean_eigenvalue(_basis(features)).item()
            return [scale * multiple for multiple in _MULTIPLES]
        penalties = np.array(self.penalties, dtype=np.float64, ndmin=1)
        if penalties.ndim != 1 or len(penalties) == 0 or not np.all(penalties > 0):
            raise ValueError(
                "penalties must be one or more positive numbers, got "
                f"{np.array2string(penalties, threshold=8)}"
            )
        return sorted(penalties.tolist(), reverse=True)

    def _choose(
        self, features: Tensor, responses: Tensor, penalties: list[float], stop: Stop
    ) -> Int[Tensor, " target"]:
        """Index of the penalty of least error for each target; of equal ones the largest."""
        if len(penalties) == 1:
            return torch.zeros(responses.shape[1], dtype=torch.int64, device=responses.device)
        folds = int(self.folds)
        if not 2 <= folds <= len(responses):
            raise ValueError(
                f"a penalty is chosen over 2 folds or more with a stimulus in each, got "
                f"folds={folds} and {len(responses)} samples; change folds or give one penalty"
            )
        held_out = torch.arange(len(responses), device=responses.device) % folds
        tests = [held_out == fold for fold in range(folds)]
        return _least_error(features, responses, tests, penalties, stop)


def _basis(features: Float[Tensor, "stimulus unit"]) -> Basis:
    everything = torch.arange(len(features), device=features.device)
    if features.shape[1] < len(features):
        return basis_from_features(features, everything, everything[:0])
    return basis_from_gram(features @ features.mT, everything, everything[:0])


def _starts(features: Tensor, responses: Tensor, penalty: float) -> Tensor:
    """Spatial directions of the rank-one part of each target's weights of ridge."""
    flat = features.flatten(start_dim=1)
    every = torch.full_like(responses[0], penalty)
    basis = _basis(flat)
    dual = dual_weights(basis, rotated(basis, responses), every)
    shape = features.shape[1:]
    parts = dual.split(max(1, _NUMBERS // flat.shape[1]), dim=1)
    return torch.cat([first_directions((d.mT @ flat).reshape(-1, *shape)) for d in parts])


class _Fold(NamedTuple):
    """Both parts of the stimuli, centred on the training part."""

    features: Tensor
    responses: Tensor
    test_features: Tensor
    test_responses: Tensor


def _fold(features: Tensor, responses: Tensor, test: Tensor) -> _Fold:
    mean, centre = features[~test].mean(dim=0), responses[~test].mean(dim=0)
    return _Fold(
        features[~test] - mean,
        responses[~test] - centre,
        features[test] - mean,
        responses[test] - centre,
    )


def _least_error(
    features: Tensor,
    responses: Tensor,
    tests: Sequence[Tensor],
    penalties: list[float],
    stop: Stop,
) -> Int[Tensor, " target"]:
    """Index of the penalty of least squared error, each target down to where it has passed it."""
    starts = [
        _starts(fold.features, fold.responses, penalties[0])
        for fold in (_fold(features, responses, test) for test in tests)
    ]
    active = torch.arange(responses.shape[1], device=responses.device)
    chosen, least = torch.zeros_like(active), torch.full_like(responses[0], torch.inf)
    for index, penalty in enumerate(penalties):
        errors = torch.zeros_like(least[active])
        for test, space in zip(tests, starts, strict=True):
            fold = _fold(features, responses[:, active], test)
            fit = alternate(fold.features, fold.responses, penalty, space[active], stop)
            space[active] = fit.space
            missed = fold.test_responses - predicted(fold.test_features, fit)
            errors += missed.square().sum(dim=0)
        better = errors < least[active]
        least[active[better]], chosen[active[better]] = errors[better], index
        active = active[index - chosen[active] < _PATIENCE]
        if len(active) == 0:
            break
    return chosen


def _final(
    features: Tensor, responses: Tensor, penalties: list[float], chosen: Tensor, stop: Stop
) -> Factors:
    """Weights of every target at its own penalty, by the path that led to the choice."""
    start = _starts(features, responses, penalties[0])
    parts, members = [], []
    for index in chosen.unique().tolist():
        some = (chosen == index).nonzero().flatten()
        *_, last = path(features, responses[:, some], penalties[: index + 1], start[some], stop)
        parts.append(last)
        members.append(some)
    back = torch.cat(members).argsort()
    return Factors(*(torch.cat(values) for values in zip(*parts, strict=True))).at(back)


def _with_positive_sum(factors: Factors) -> Factors:
    sign = torch.where(factors.space.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return factors._replace(channel=sign * factors.channel, space=sign * factors.space)


def _warn_unless_converged(factors: Factors, stop: Stop) -> None:
    n_left = int((~factors.converged).sum())
    if n_left:
        warnings.warn(
            f"{n_left} of {len(factors.converged)} targets have not converged in "
            f"{stop.max_sweeps} sweeps; raise max_sweeps or tolerance, or give larger penalties",
            ConvergenceWarning,
            stacklevel=3,
        )
