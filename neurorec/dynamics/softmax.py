r"""Multinomial logistic regression of labels on z-scored activity, in all time bins at once.

.. math::

    \min_{W, b} \; -\frac1n \sum_i \log \mathrm{softmax}(W x_i + b)_{c_i}
        + \frac\lambda2 (\lVert W \rVert^2 + \lVert b \rVert^2)

with every neuroid z-scored by the training presentations. With :math:`\lambda > 0` there is one
minimum, which is found up to rounding: no seed, learning rate or number of epochs is to choose.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.dynamics.evidence import standardised
from neurorec.encoding.ridge_solver import Basis, basis_from_features, basis_from_gram

#: Bound on the gradient, of which a share by the penalty is the largest error of a weight.
_TOLERANCE: Final = 1e-8
_MOST_STEPS: Final = 500


class _Coordinates(NamedTuple):
    """Activity in a basis of the training presentations, a constant beside it.

    Parameters
    ----------
    scale
        Of the coordinates; weights are searched in its units, in which curvature is about 1 in
        every direction.
    """

    train: Float64[Tensor, "time_bin train coordinate"]
    test: Float64[Tensor, "time_bin test coordinate"]
    scale: Float64[Tensor, "time_bin coordinate 1"]


def softmax_evidence(
    training: Float64[Tensor, "time_bin train neuroid"],
    testing: Float64[Tensor, "time_bin test neuroid"],
    codes: Int64[Tensor, " train"],
    *,
    n_classes: int,
    penalty: float | int,
) -> Float64[Tensor, "time_bin test n_classes"]:
    r"""Logits of the presentations ``testing`` in each time bin, by the rule fitted in it.

    Parameters
    ----------
    codes
        Classes of ``training``, counted from 0.
    penalty
        :math:`\lambda`, of weights and intercepts alike.

    Raises
    ------
    ValueError
        If the penalty is not positive.
    """
    if penalty <= 0:
        raise ValueError(f"penalty must be above 0, got {penalty}")
    at = _coordinates(*standardised(training, testing), float(penalty))
    weights = _minimum(at, codes, n_classes, float(penalty))
    return at.test @ (weights * at.scale)


def _coordinates(training: Tensor, testing: Tensor, penalty: float) -> _Coordinates:
    """Weights have no part outside of the span of the training presentations."""
    found = [_basis(x, y) for x, y in zip(training, testing, strict=True)]
    n, n_bins = training.shape[1], len(training)
    rank = max(len(basis.eigenvalues) for basis in found)
    train = training.new_zeros(n_bins, n, rank + 1)
    test = testing.new_zeros(n_bins, testing.shape[1], rank + 1)
    for t, basis in enumerate(found):
        size, kept = basis.eigenvalues.sqrt(), len(basis.eigenvalues)
        train[t, :, :kept] = basis.train * size
        test[t, :, :kept] = basis.test * size
    # The intercept is one more weight, that of a constant: it is penalised as they are.
    train[..., rank] = test[..., rank] = 1
    # Böhning's bound on the curvature of the first term: half the second moment.
    curvature = train.square().mean(dim=1) / 2 + penalty
    return _Coordinates(train, test, curvature.rsqrt()[..., None])


def _basis(training: Tensor, testing: Tensor) -> Basis:
    both = torch.cat([training, testing])
    rows = torch.arange(len(both), device=both.device).split([len(training), len(testing)])
    if training.shape[1] < len(training):
        return basis_from_features(both, *rows)
    return basis_from_gram(both @ both.mT, *rows)


def _minimum(at: _Coordinates, codes: Tensor, n_classes: int, penalty: float) -> Tensor:
    """Weights (time_bin, coordinate, class) over ``scale``; bins are one separable problem."""
    features = at.train * at.scale.mT
    ridge = penalty * at.scale.square()
    chosen = torch.nn.functional.one_hot(codes, n_classes).to(features)
    weights = features.new_zeros(len(features), features.shape[2], n_classes, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights],
        max_iter=_MOST_STEPS,
        history_size=20,
        tolerance_grad=_TOLERANCE,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        with torch.no_grad():
            logits = features @ weights
            normaliser = logits.logsumexp(dim=2, keepdim=True)
            residual = ((logits - normaliser).exp() - chosen) / features.shape[1]
            loss = (normaliser[..., 0] - (logits * chosen).sum(dim=2)).mean(dim=1)
            weights.grad = features.mT @ residual + ridge * weights
            return (loss + (ridge * weights.square()).sum(dim=(1, 2)) / 2).sum()

    search.step(objective)
    return weights.detach()
