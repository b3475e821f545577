"""Adaptive computation time: each trial takes as many timesteps as it asks for (Graves 2016)."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from neurorec.models.parts import Halting


class Halted(NamedTuple):
    """How much each timestep counts, and when each trial stopped.

    ``weights`` sum to 1 over time; ``n_timesteps`` counts from 1; ``remainder`` is the weight of
    the timestep at which the trial stopped.
    """

    weights: Float[Tensor, "timestep trial"]
    n_timesteps: Int64[Tensor, " trial"]
    remainder: Float[Tensor, " trial"]


def halting_weights(p: Float[Tensor, "timestep trial"], epsilon: float) -> Halted:
    r"""Weights of the timesteps from the probabilities of halting at each.

    .. math::

        N = \min \{n : \textstyle\sum_{t \le n} p_t \ge 1 - \varepsilon\}, \qquad
        R = 1 - \textstyle\sum_{t < N} p_t

    and the weights are :math:`p_1 \dots p_{N-1}, R, 0 \dots`. Where the sum never reaches
    :math:`1 - \varepsilon`, :math:`N` is the number of timesteps. Weights and remainder are
    differentiable in ``p``, :math:`N` is not.

    Raises
    ------
    ValueError
        If there is no timestep, or epsilon is not between 0 and 1.
    """
    n_timesteps = p.shape[0]
    if n_timesteps < 1:
        raise ValueError("halting needs at least 1 timestep, got 0")
    if not 0 < epsilon < 1:
        raise ValueError(f"epsilon must be between 0 and 1, got {epsilon}; 0.01 is usual")
    # The sum grows with time, so the timesteps before N are those that have not reached it.
    n = (p.cumsum(dim=0) < 1 - epsilon).sum(dim=0).add(1).clamp(max=n_timesteps)
    timestep = torch.arange(1, n_timesteps + 1, device=p.device)[:, None]
    before = torch.where(timestep < n, p, 0)
    remainder = 1 - before.sum(dim=0)
    return Halted(torch.where(timestep == n, remainder, before), n, remainder)


def ponder_cost(halted: Halted) -> Float[Tensor, " trial"]:
    r"""What a trial's time costs, :math:`\rho = N + R`.

    Its gradient is that of :math:`R`: -1 for each :math:`p_t` before the last timestep.
    """
    return halted.n_timesteps + halted.remainder


@final
class HaltingUnit(nn.Module):
    r"""A unit that says when to stop, :math:`p = \sigma(w \cdot \langle h \rangle + b)`.

    :math:`\langle h \rangle` is the spatial mean of a map.

    Parameters
    ----------
    channels
        Of the map.
    options
        First bias, and what :func:`halting_weights` and the loss need.
    """

    def __init__(self, channels: int, options: Halting) -> None:
        super().__init__()
        self.options = options
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.tensor(float(options.bias)))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights: normal and so small that every trial first halts by the bias."""
        std = 0.01 / len(self.weight) ** 0.5
        self.weight.copy_(torch.randn(len(self.weight), generator=generator) * std)
        self.bias.fill_(self.options.bias)

    def forward(self, h: Float[Tensor, "trial channel row col"]) -> Float[Tensor, " trial"]:
        """Probability of halting at this timestep."""
        return torch.sigmoid(h.mean(dim=(2, 3)) @ self.weight + self.bias)
