r"""Rank-one weights, space times channel, by alternating closed-form ridge regressions.

.. math:: J(a, b) = \lVert y - X (a \otimes b) \rVert^2
                    + \lambda \lVert a \rVert^2 \lVert b \rVert^2

The penalty is that of ridge on the weights themselves, so that nothing depends on how their size
is shared between the factors. With one factor of norm 1, the other's problem is a plain ridge
regression on features that the first has summed; each half of a sweep solves it exactly, and J
cannot rise. Targets are independent problems that are solved side by side.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Features = Float[Tensor, "stimulus channel position"]
Responses = Float[Tensor, "stimulus target"]
Directions = Float[Tensor, "target position"]

_NUMBERS: Final = 2**25  # in the summed features of the targets that are solved together


class Stop(NamedTuple):
    """When to stop.

    Parameters
    ----------
    tolerance
        Least decrease of the objective in a sweep that is worth another one, as a share of the
        responses' sum of squares.
    max_sweeps
        Sweeps after which to stop in any case.
    """

    tolerance: float = 1e-5
    max_sweeps: int = 500


class Factors(NamedTuple):
    """Weights of every target: channel weights times spatial weights of norm 1."""

    channel: Float[Tensor, "target channel"]
    space: Float[Tensor, "target position"]
    converged: Bool[Tensor, " target"]

    def at(self, targets: Int[Tensor, " some"]) -> "Factors":
        """Those of some targets."""
        return Factors(*(values[targets] for values in self))


def first_directions(weights: Float[Tensor, "target channel position"]) -> Directions:
    """Spatial factor of the best rank-one approximation to each target's weights."""
    if weights.shape[1] < weights.shape[2]:
        channel = torch.linalg.eigh(weights @ weights.mT).eigenvectors[..., -1]
        space = torch.einsum("tc,tcs->ts", channel, weights)
    else:
        space = torch.linalg.eigh(weights.mT @ weights).eigenvectors[..., -1]
    length = torch.linalg.vector_norm(space, dim=1, keepdim=True)
    return torch.where(length > 0, space / length, space.shape[1] ** -0.5)


def sweep(
    features: Features,
    responses: Responses,
    penalty: float,
    space: Directions,
) -> tuple[Float[Tensor, "target channel"], Directions, Float[Tensor, " target"]]:
    """Solve for the channel factor, then for the spatial one.

    Parameters
    ----------
    features, responses
        Centred.
    space
        Of norm 1.

    Returns
    -------
    channel, space, objective
        Afterwards; ``space`` is of norm 1 again.

    Raises
    ------
    ValueError
        If the penalty is lost in rounding.
    """
    channel, _ = _ridge(_summed(features, space), responses, penalty)
    channel = _directions(channel)
    space, objective = _ridge(_summed(features.mT, channel), responses, penalty)
    length = torch.linalg.vector_norm(space, dim=1, keepdim=True)
    return channel * length, _directions(space), objective


def alternate(
    features: Features,
    responses: Responses,
    penalty: float,
    space: Directions,
    stop: Stop,
) -> Factors:
    """Sweep until every target has converged; a target rests once it has."""
    n_stimuli, n_channels, n_positions = features.shape
    many = max(1, _NUMBERS // (n_stimuli * max(n_channels, n_positions)))
    everything = torch.arange(responses.shape[1], device=responses.device)
    parts = [
        _alternate(features, responses[:, some], penalty, space[some], stop)
        for some in everything.split(many)
    ]
    return Factors(*(torch.cat(values) for values in zip(*parts, strict=True)))


def path(
    features: Features,
    responses: Responses,
    penalties: list[float],
    space: Directions,
    stop: Stop,
) -> Iterator[Factors]:
    """Weights at each of the descending penalties, each started from the one before.

    J has local minima. At a large penalty its minimum is the rank-one part of the weights of
    ridge, which is known; following it down is a deterministic way to a good one.
    """
    for penalty in penalties:
        factors = alternate(features, responses, penalty, space, stop)
        space = factors.space
        yield factors


def predicted(features: Features, factors: Factors) -> Responses:
    """Predictions from centred features."""
    n_stimuli, n_channels, n_positions = features.shape
    many = max(1, _NUMBERS // (n_stimuli * max(n_channels, n_positions)))
    parts = [
        torch.einsum("tnc,tc->nt", _summed(features, space), channel)
        for channel, space in zip(
            factors.channel.split(many), factors.space.split(many), strict=True
        )
    ]
    return torch.cat(parts, dim=1)


def _alternate(
    features: Tensor, responses: Tensor, penalty: float, space: Tensor, stop: Stop
) -> Factors:
    total = responses.square().sum(dim=0)
    before = torch.full_like(total, torch.inf)
    channel = responses.new_zeros(len(space), features.shape[1])
    space, active = space.clone(), torch.arange(len(space), device=space.device)
    for _ in range(stop.max_sweeps):
        new_channel, new_space, objective = sweep(
            features, responses[:, active], penalty, space[active]
        )
        channel[active], space[active] = new_channel, new_space
        moving = before[active] - objective > stop.tolerance * total[active]
        before[active] = objective
        active = active[moving]
        if len(active) == 0:
            break
    converged = torch.ones(len(space), dtype=torch.bool, device=space.device)
    converged[active] = False
    return Factors(channel, space, converged)


def _summed(
    features: Float[Tensor, "stimulus kept summed"], weights: Float[Tensor, "target summed"]
) -> Float[Tensor, "target stimulus kept"]:
    """Features of each target after one of their dimensions is summed with its weights."""
    # One product per stimulus: it reads features in place in either order of their dimensions.
    return torch.bmm(features, weights.mT.expand(len(features), -1, -1)).permute(2, 0, 1)


def _directions(vectors: Float[Tensor, "target k"]) -> Float[Tensor, "target k"]:
    """Vectors of norm 1; a vector of zeros stays."""
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return torch.where(length > 0, vectors / length, vectors)


def _ridge(
    design: Float[Tensor, "target stimulus k"], responses: Responses, penalty: float
) -> tuple[Float[Tensor, "target k"], Float[Tensor, " target"]]:
    """Ridge weights of each target on features of its own, and the least objective."""
    n, k = design.shape[1:]
    y = responses.mT[:, :, None]
    inner = design.mT @ design if k <= n else design @ design.mT
    inner.diagonal(dim1=1, dim2=2).add_(penalty)
    factor, failed = torch.linalg.cholesky_ex(inner)
    if bool((failed > 0).any()):
        raise ValueError(
            f"the penalty {penalty:g} is lost in the rounding of features of this size; "
            "give larger penalties"
        )
    if k <= n:
        weights = torch.cholesky_solve(design.mT @ y, factor)
    else:
        weights = design.mT @ torch.cholesky_solve(y, factor)
    residual = (y - design @ weights)[..., 0]
    weights = weights[..., 0]
    objective = residual.square().sum(dim=1) + penalty * weights.square().sum(dim=1)
    return weights, objective
