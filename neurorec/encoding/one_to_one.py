"""Each neuron and the one unit that correlates with it best."""

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neurorec._checks import check_option
from neurorec.encoding._columns import Columns, blocks_of_units, responses_as_columns
from neurorec.encoding._sklearn import unwrapped, validated
from neurorec.gram import resolve_device

#: Signs of the correlation between a target and its unit.
SIGNS: Final = ("positive", "any")


class _Match(NamedTuple):
    """The best unit of every target so far."""

    unit: Int[Tensor, " target"]
    correlation: Float[Tensor, " target"]
    mean: Float[Tensor, " target"]
    norm: Float[Tensor, " target"]


class OneToOne(MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Univariate regression on the unit with the largest Pearson correlation.

    .. math:: \hat y_j = \bar y_j + s_j (x_{u_j} - \bar x_{u_j}), \qquad
              u_j = \arg\max_i r(x_i, y_j)

    with the least-squares slope ``s``, all on training stimuli. Several targets may have the same
    unit. Units are read in blocks: memory grows with units + targets.

    Parameters
    ----------
    sign
        With ``"positive"``, a unit matches a neuron only if both rise together: slopes are not
        negative, and a target that correlates positively with no unit is predicted by its mean.
        With ``"any"``, the largest magnitude counts and slopes may be negative.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    unit_
        Index of the unit of each target; the first of several with the same correlation. A unit
        that is constant is taken only where there is no other.
    correlation_
        Pearson correlation with that unit over training stimuli; 0 if either is constant.
    coef_, intercept_
        Slope and intercept of each target.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    With ``sign="positive"`` the units are those of the metric ``neuron_to_neuron`` of
    brainscore-vision, which predicts with the unit itself; correlations of predictions with
    responses are the same.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(self, sign: Any = "positive", device: Any = "cpu") -> None:
        self.sign = sign
        self.device = device

    def fit(self, X: Any, y: Any) -> "OneToOne":
        """Find the unit, slope and intercept of every target.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer than two samples, or
            ``sign`` is unknown.
        """
        check_option("sign", self.sign, SIGNS)
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        device = resolve_device(self.device)
        targets = responses_as_columns(y, device)
        match = _best_units(X, targets, device, any_sign=self.sign == "any")
        r = match.correlation if self.sign == "any" else match.correlation.clamp_min(0)
        slope = torch.where(match.norm > 0, r * targets.norm / match.norm, 0.0)
        intercept = targets.mean - slope * match.mean
        one = np.ndim(y) == 1
        self.unit_ = unwrapped(match.unit, one)
        self.correlation_ = unwrapped(match.correlation, one)
        self.coef_ = unwrapped(slope, one)
        self.intercept_ = unwrapped(intercept, one)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted responses (sample, target), or (sample) when ``y`` had one dimension."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        return X[:, self.unit_] * self.coef_ + self.intercept_


def _best_units(x: np.ndarray, targets: Columns, device: torch.device, *, any_sign: bool) -> _Match:
    """The unit of largest correlation, or of largest magnitude of it, for every target."""
    n_targets = targets.deviations.shape[1]
    largest = torch.full((n_targets,), -torch.inf, dtype=torch.float64, device=device)
    nothing = torch.zeros_like(largest)
    best = _Match(nothing.long(), nothing, nothing, nothing)
    for place, units in blocks_of_units(x, n_targets, device):
        r = (units.deviations.mT @ targets.deviations).clamp_(-1, 1)
        merit = r.abs() if any_sign else r
        merit = torch.where(units.norm[:, None] > 0, merit, -2.0)  # below every correlation
        value, unit = merit.max(dim=0)
        own = r.gather(0, unit[None])[0]
        found = _Match(unit + place.start, own, units.mean[unit], units.norm[unit])
        better = value > largest
        best = _Match(
            *(torch.where(better, new, old) for new, old in zip(found, best, strict=True))
        )
        largest = torch.maximum(largest, value)
    return best
