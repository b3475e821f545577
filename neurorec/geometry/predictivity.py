"""How well one population predicts another linearly, from inner products alone."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.encoding.splits import KFold
from neurorec.geometry._pairs import Kernels, Pair, batches, labelled, pair_of

#: Whether ``source`` predicts ``other``, or ``other`` predicts ``source``.
DIRECTIONS: Final = ("forward", "backward")

#: Penalties that are tried, as multiples of the mean eigenvalue of a training Gram matrix.
PENALTIES: Final = tuple(float(p) for p in 10.0 ** np.arange(-4, 4.5, 0.5))

_Responses = Float64[Tensor, "time_bin_b stimulus stimulus"]
_Errors = Float64[Tensor, "time_bin time_bin_b"]
_Rounding = Float64[Tensor, "time_bin 1"]


def linear_predictivity(
    source: Any,
    other: Any = None,
    *,
    direction: str = "forward",
    n_splits: int = 5,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Cross-validated variance of one population that ridge regression on another explains.

    In each fold the residuals at held-out stimuli are ``G Y`` with a matrix ``G`` (held out,
    stimulus) that follows from the Gram matrix ``K_x`` of the predictors. All units of ``Y``
    together are then scored from their Gram matrix,

    .. math::

        R^2 = 1 - \frac{\sum_{folds} \mathrm{tr}(G K_y G^\top)}
                       {\sum_{folds} \mathrm{tr}(G_0 K_y G_0^\top)},

    with ``G_0`` for the mean over training stimuli as the prediction. It is the mean of the
    units' :math:`R^2` weighted by their variance. All units have one penalty, that with the least
    summed squared error of leave-one-out predictions inside the training stimuli.

    Parameters
    ----------
    source, other, undefined, device
        As in :func:`linear_cka`.
    direction
        ``"forward"``: ``source`` at ``time_bin`` predicts ``other`` at ``time_bin_b``;
        ``"backward"``: the second predicts the first. Neither is the other transposed.
    n_splits
        Folds of stimuli.
    penalties
        To try, as multiples of the variance of a training stimulus: the trace of their centred Gram
        matrix over one less than their number.
    seed
        Of the folds.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b): 1 at best, 0 where predictions are as good as the mean, and below
        where they are worse.

    Raises
    ------
    ValueError
        As :func:`linear_cka`; if there are fewer stimuli than folds or folds than two, or a
        penalty is not positive.
    """
    check_option("direction", direction, DIRECTIONS)
    grid = _checked(penalties)
    folds = KFold(n_splits, seed)
    pair = pair_of(
        source,
        other,
        quantity="linear predictivity",
        undefined=undefined,
        device=device,
        at_least=max(3, n_splits),
    )
    first, second = pair.first.kernels, pair.second.kernels
    if direction == "forward":
        values = _explained(first, second, pair, folds, grid)
    else:
        values = _explained(second, first, pair, folds, grid).mT
    return labelled(
        pair,
        values,
        name="linear_predictivity",
        method=f"ridge, {direction}, penalty by leave-one-out inside {n_splits} folds",
        units="R2",
        kind="similarity",
        n_splits=n_splits,
        seed=seed,
    )


def _checked(penalties: Sequence[float]) -> list[float]:
    grid = [float(p) for p in penalties]
    if not grid or not all(0 < p < float("inf") for p in grid):
        raise ValueError(f"penalties must be one or more positive numbers, got {grid}")
    return grid


def _explained(x: Kernels, y: _Responses, pair: Pair, folds: KFold, grid: list[float]) -> _Errors:
    """Explained share of ``y`` from ``x``."""
    residual, total = x.new_zeros(len(x), len(y)), x.new_zeros(len(y))
    # The size of what was subtracted counts too: rounding is a share of the raw inner products.
    side = pair.first if x is pair.first.kernels else pair.second
    rounding = side.patterns.rounding[:, None]
    n_stimuli = x.shape[-1]
    for train, test in folds.split(pair.first.patterns.labels):
        rows = torch.from_numpy(np.concatenate([train, test])).to(x.device)
        ordered = y[:, rows[:, None], rows]
        mean = _mean_prediction(len(train), len(test), like=x)
        total += _quadratic(mean[None], ordered)[0]
        for part in batches(len(x), n_stimuli**2):
            predictors = x[part][:, rows[:, None], rows]
            residual[part] += _fold(predictors, ordered, len(train), grid, rounding[part])
    return 1 - residual / total


def _fold(
    x: Kernels, y: _Responses, n_train: int, grid: list[float], rounding: _Rounding
) -> _Errors:
    """Squared residuals at the held-out stimuli, which come last, with the best penalty."""
    inner = y[:, :n_train, :n_train]
    best, chosen = x.new_full((len(x), len(y)), torch.inf), x.new_zeros(len(x), len(y))
    for left_out, held_out in _residual_makers(x, n_train, grid, rounding):
        error = _quadratic(left_out, inner)
        better = error < best
        best = torch.where(better, error, best)
        chosen = torch.where(better, _quadratic(held_out, y), chosen)
    return chosen


class _Makers(NamedTuple):
    """Matrices that make residuals of responses: left out one by one, and held out."""

    left_out: Float64[Tensor, "time_bin train train"]
    held_out: Float64[Tensor, "time_bin test stimulus"]


def _residual_makers(
    x: Kernels, n_train: int, grid: list[float], rounding: _Rounding
) -> Iterator[_Makers]:
    """For every penalty, from one eigendecomposition."""
    n_test = x.shape[-1] - n_train
    identity = torch.eye(n_train, dtype=x.dtype, device=x.device)
    centring = identity - 1 / n_train
    inner = centring @ x[:, :n_train, :n_train] @ centring
    cross = (x[:, n_train:, :n_train] - x[:, :n_train, :n_train].mean(1, keepdim=True)) @ centring
    values, vectors = torch.linalg.eigh(inner)
    values = torch.where(values > rounding, values, 0.0)
    # Not the mean positive eigenvalue: how many are positive is a matter of rounding.
    scale = values.sum(dim=-1) / (n_train - 1)
    scale = torch.where(scale > 0, scale, 1.0)[:, None]
    projected = cross @ vectors
    base = _mean_prediction(n_train, n_test, like=x)
    for penalty in grid:
        shrunk = values + penalty * scale
        hat = (vectors * (values / shrunk)[:, None, :]) @ vectors.mT
        remainder = centring - hat
        left_out = remainder / remainder.diagonal(dim1=-2, dim2=-1)[:, :, None]
        weights = (projected / shrunk[:, None, :]) @ vectors.mT @ centring
        held_out = base.expand(len(x), -1, -1).clone()
        held_out[:, :, :n_train] -= weights
        yield _Makers(left_out, held_out)


def _mean_prediction(
    n_train: int, n_test: int, *, like: Tensor
) -> Float64[Tensor, "test stimulus"]:
    """Makes the residuals of the mean over training stimuli."""
    shape = (n_test, n_train)
    mean = torch.full(shape, -1 / n_train, dtype=like.dtype, device=like.device)
    return torch.cat([mean, torch.eye(n_test, dtype=like.dtype, device=like.device)], dim=1)


def _quadratic(
    makers: Float64[Tensor, "time_bin row stimulus"], y: _Responses
) -> Float64[Tensor, "time_bin time_bin_b"]:
    """``tr(G K_y G')`` of every maker and every Gram matrix."""
    return (makers.mT @ makers).flatten(1) @ y.flatten(1).mT
