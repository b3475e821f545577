"""Units and neurons matched by optimal transport."""

import warnings
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec._words import size_in_words
from neurorec.encoding._columns import (
    Columns,
    as_columns,
    blocks_of_units,
    responses_as_columns,
)
from neurorec.encoding._sklearn import LinearReadout, unwrapped, validated
from neurorec.gram import resolve_device

#: Most pairs of a unit and a target. The network simplex holds about 40 bytes for each pair, so
#: this is 4 GB, and 20,000 units with 5,000 targets.
MOST_PAIRS: Final = 10**8

_MOST_PIVOTS: Final = 10**9


class SoftMatching(LinearReadout):
    r"""Each target by the units that soft matching gives it.

    .. math:: T = \arg\max_T \sum_{ij} T_{ij} \, r(x_i, y_j), \qquad
              \sum_j T_{ij} = 1/p, \quad \sum_i T_{ij} = 1/q, \quad T \ge 0

    over the Pearson correlations of ``p`` units and ``q`` targets on training stimuli, and

    .. math:: \hat y_j = \bar y_j + s_j \, q \sum_i T_{ij} z_i

    with standardised units ``z`` and the least-squares slope ``s``. Every unit is used as much as
    every other: unlike a regression, the match penalises units that resemble no neuron.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; of the correlations. The plan is found on CPU.

    Attributes
    ----------
    plan_
        ``T`` (unit, target); a permutation matrix divided by ``p`` when ``p = q``.
    correlation_
        The total correlation that it reaches, 1 when targets are a permutation of units. The same
        when units and targets change places; the distance of the source is a function of it.
    coef_
        Weights (target, unit), or (unit) when ``y`` had one dimension.
    intercept_
        One number per target.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Khosla and Williams (2024), *Proceedings of Machine Learning Research* 243, 133-143. The plan
    is exact (``ot.emd``, a network simplex). A constant unit or target correlates 0 with
    everything. A slope is not negative: a target that falls where its match rises is predicted by
    its mean.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(self, device: Any = "cpu") -> None:
        self.device = device

    def fit(self, X: Any, y: Any) -> "SoftMatching":
        """Match units and targets, and scale the match of every target.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer than two samples, or units
            times targets are more than ``MOST_PAIRS``.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        one = np.ndim(y) == 1
        n_units, n_targets = X.shape[1], 1 if one else y.shape[1]
        _refuse_too_many(n_units, n_targets)
        device = resolve_device(self.device)
        targets = responses_as_columns(y, device)
        correlation = _correlation(X, targets, device)
        self.plan_ = transport_plan(correlation)
        self.correlation_ = float(np.sum(self.plan_ * correlation))
        # Neither the q nor the standard deviation of the definition matters: the slope absorbs it.
        weights, intercept = _scaled_match(X, targets, torch.from_numpy(self.plan_).to(device))
        self.coef_ = unwrapped(weights.mT, one)
        self.intercept_ = unwrapped(intercept, one)
        return self

    # The mean of all units, which a single target gets, is no good prediction.
    def _more_tags(self) -> dict[str, bool]:  # scikit-learn < 1.6
        return {"poor_score": True}

    def __sklearn_tags__(self) -> Any:
        tags = getattr(super(), "__sklearn_tags__")()  # noqa: B009
        tags.regressor_tags.poor_score = True
        return tags


def transport_plan(
    correlation: Float[np.ndarray, "unit target"],
) -> Float[np.ndarray, "unit target"]:
    """Plan with uniform marginals and the largest total correlation, exact.

    Raises
    ------
    RuntimeError
        If the network simplex ends before the optimum.
    """
    import ot  # takes seconds, and nothing else here needs it

    n_units, n_targets = correlation.shape
    cost = np.ascontiguousarray(1 - correlation)
    marginals = np.full(n_units, 1 / n_units), np.full(n_targets, 1 / n_targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said again below, as an error
        plan, log = ot.emd(*marginals, cost, numItermax=_MOST_PIVOTS, log=True)
    if log["warning"] is not None:
        raise RuntimeError(
            f"no exact plan was found for {n_units} units and {n_targets} targets: "
            f"{log['warning']}; select fewer units"
        )
    return plan


def _refuse_too_many(n_units: int, n_targets: int) -> None:
    n_pairs = n_units * n_targets
    if n_pairs > MOST_PAIRS:
        raise ValueError(
            f"the exact plan of {n_units} units and {n_targets} targets needs about "
            f"{size_in_words(40 * n_pairs)} and at most {MOST_PAIRS:.0e} pairs are allowed; "
            f"select {MOST_PAIRS // n_targets} units or fewer"
        )


def _correlation(x: np.ndarray, targets: Columns, device: torch.device) -> np.ndarray:
    correlation = np.empty((x.shape[1], targets.deviations.shape[1]))
    for place, units in blocks_of_units(x, correlation.shape[1], device):
        r = units.deviations.mT @ targets.deviations
        correlation[place] = r.clamp_(-1, 1).cpu().numpy()
    return correlation


def _scaled_match(
    x: np.ndarray, targets: Columns, share: Tensor
) -> tuple[Float[Tensor, "unit target"], Float[Tensor, " target"]]:
    """Weights and intercept of the match of each target, on units as they are."""
    match = torch.zeros_like(targets.deviations)
    mean = torch.zeros_like(targets.mean)
    weights = torch.empty_like(share)
    for place, units in blocks_of_units(x, share.shape[1], share.device):
        match += units.deviations @ share[place]
        per_norm = torch.where(units.norm > 0, 1 / units.norm, 0.0)
        weights[place] = per_norm[:, None] * share[place]
        mean += units.mean @ weights[place]
    matched = as_columns(match)
    r = (matched.deviations * targets.deviations).sum(dim=0).clamp(0, 1)
    slope = torch.where(matched.norm > 0, r * targets.norm / matched.norm, 0.0)
    return weights * slope, targets.mean - slope * mean
