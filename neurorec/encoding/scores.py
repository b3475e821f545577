r"""Scores of predictions on held-out stimuli, with weights for stimuli that are drawn again.

With :math:`w_i` the number of times that a resampled data set holds stimulus :math:`i`,

.. math:: r = \frac{S_{py} - S_p S_y / S_1}
                   {\sqrt{(S_{pp} - S_p^2 / S_1)(S_{yy} - S_y^2 / S_1)}}, \qquad
          S_{ab} = \sum_i w_i a_i b_i

so a thousand data sets are five matrix products.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.stats.correlation import is_constant, pearson

# Resampled scores that are held at once, in numbers.
_BATCH: Final = 2**24
# Variances below this share of what was subtracted from them are rounding (of float32).
_ROUNDING: Final = 1e-5


class Scores(NamedTuple):
    """Pearson r and coefficient of determination."""

    r: np.ndarray
    determination: np.ndarray


class Draws(NamedTuple):
    """The same of resampled stimuli, in float32."""

    r: Float[Tensor, "draw target"]
    determination: Float[Tensor, "draw target"]


def held_out_scores(
    predicted: Float[np.ndarray, "stimulus target"], measured: Float[np.ndarray, "stimulus target"]
) -> Scores:
    r"""Scores over held-out stimuli; 0 where responses do not vary over them.

    .. math:: R^2 = 1 - \frac{\sum (y - p)^2}{\sum (y - \bar y)^2}

    with the mean of the held-out responses, so that predicting it scores 0 and worse predictions
    score less.
    """
    error = np.sum((measured - predicted) ** 2, axis=0)
    total = np.sum((measured - measured.mean(axis=0)) ** 2, axis=0)
    varies = ~is_constant(measured)
    determination = np.where(varies, 1 - error / np.where(varies, total, 1.0), 0.0)
    return Scores(pearson(predicted, measured), determination)


def resampled_scores(
    predicted: Float[Tensor, "stimulus target"],
    measured: Float[Tensor, "stimulus target"],
    weights: Float[Tensor, "draw stimulus"],
) -> Draws:
    """Scores over resampled held-out stimuli; 0 where one side does not vary over them."""
    n_targets, size = predicted.shape[1], max(_BATCH // max(len(weights), 1), 1)
    found = [
        _weighted(predicted[:, i : i + size], measured[:, i : i + size], weights)
        for i in range(0, n_targets, size)
    ]
    r, determination = (torch.cat(one, dim=1) for one in zip(*found, strict=True))
    return Draws(r, determination)


def _weighted(predicted: Tensor, measured: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    # In units of their own deviation around their own mean no sum is large, and float32 is enough.
    y, y_mean, y_scale, flat_y = _standardised(measured)
    p, p_mean, p_scale, flat_p = _standardised(predicted)
    n = weights.sum(dim=1, keepdim=True).clamp_min(1)
    by, bp = weights @ y / n, weights @ p / n
    yy, pp, py = weights @ y**2 / n, weights @ p**2 / n, weights @ (p * y) / n
    variance_y, variance_p, covariance = yy - by**2, pp - bp**2, py - bp * by
    no_y = (variance_y <= _ROUNDING * yy) | flat_y
    neither = no_y | (variance_p <= _ROUNDING * pp) | flat_p
    r = covariance / torch.where(neither, 1.0, variance_y * variance_p).sqrt()
    ratio, shift = (p_scale / y_scale).float(), ((p_mean - y_mean) / y_scale).float()
    error = ratio**2 * pp - 2 * ratio * py + yy + 2 * shift * (ratio * bp - by) + shift**2
    determination = 1 - error / torch.where(no_y, 1.0, variance_y)
    return torch.where(neither, 0.0, r).clamp(-1, 1), torch.where(no_y, 0.0, determination)


def _standardised(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Standard scores in float32, mean, deviation, and where there is none."""
    values = values.double()
    mean = values.mean(dim=0)
    deviation = (values - mean).square().mean(dim=0).sqrt()
    flat = torch.from_numpy(is_constant(values.cpu().numpy())).to(values.device)
    scale = torch.where(flat, 1.0, deviation)
    return ((values - mean) / scale).float(), mean, scale, flat
