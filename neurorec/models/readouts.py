"""Rules that make one answer of the logits of all timesteps."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

Logits = Float[Tensor, "timestep trial class *space"]
PerTrial = Float[Tensor, "timestep trial"]


class Decision(NamedTuple):
    """One answer per trial.

    ``timestep`` is the one, counted from 0, at which the answer is known: the last for rules that
    wait for all logits.
    """

    logits: Float[Tensor, "trial class *space"]
    timestep: Int64[Tensor, " trial"]


def last(logits: Logits) -> Decision:
    r"""The logits of the last timestep, :math:`l_{T-1}`."""
    return _at_the_end(logits[-1], logits)


def cumulative(logits: Logits) -> Decision:
    r"""Their sum, :math:`\sum_t l_t` (Spoerer et al. 2020)."""
    return _at_the_end(logits.sum(dim=0), logits)


def time_max(logits: Logits) -> Decision:
    r"""Each class at its own best time, :math:`l_{t_k k}` with :math:`t_k = \arg\max_t P_{tk}`.

    :math:`P` is the softmax over classes. From Nayebi et al. (2018), as are the two weighted
    averages.
    """
    best = logits.softmax(dim=2).argmax(dim=0, keepdim=True)
    return _at_the_end(logits.gather(0, best)[0], logits)


def w_avg(logits: Logits) -> Decision:
    r"""Average of each class weighted by its logits, :math:`\sum_t a_{tk} l_{tk}`.

    The weights :math:`a_{\cdot k}` are the softmax over time of :math:`l_{\cdot k}`.
    """
    return _at_the_end((logits.softmax(dim=0) * logits).sum(dim=0), logits)


def w_time_avg(logits: Logits) -> Decision:
    r"""Average weighted by confidence, :math:`\sum_t a_t l_t`.

    The weights :math:`a` are the softmax over time of :math:`\max_k P_{tk}`.
    """
    weights = confidence(logits).softmax(dim=0)
    return _at_the_end(torch.einsum("ti,ti...->i...", weights, logits), logits)


def max_confidence(logits: Logits) -> Decision:
    r"""The logits of the first timestep of greatest confidence, :math:`\arg\max_t \max_k P_{tk}`.

    This is ``max_conf`` of Nayebi et al. (2018).
    """
    return _at(logits, confidence(logits).argmax(dim=0))


def threshold(logits: Logits, threshold: float | int | None = None) -> Decision:
    r"""The logits of the first timestep with :math:`\max_k P_{tk} \ge \theta`, else of the last.

    Nayebi et al. (2018; their ``thresh`` with 0.9) answer at the most confident timestep where
    none reaches the threshold; here a trial that stays undecided is answered when time is up.

    Raises
    ------
    ValueError
        If the threshold is missing or no probability above 0.
    """
    if threshold is None or not 0 < threshold <= 1:
        raise ValueError(
            "the rule 'threshold' needs the softmax maximum at which to answer, a threshold in "
            f"(0, 1], got {threshold}; 0.9 is usual"
        )
    return _at(logits, _first(confidence(logits) >= threshold))


def entropy(logits: Logits, threshold: float | int | None = None) -> Decision:
    r"""The cumulative logits at the first timestep of low entropy, else at the last.

    .. math::

        \min \{t : H(\mathrm{softmax}\, c_t) < \theta\}, \qquad c_t = \textstyle\sum_{s \le t} l_s

    with :math:`H` in nats: the model's reaction time of Spoerer et al. (2020).

    Raises
    ------
    ValueError
        If the threshold is missing or not positive.
    """
    if threshold is None or not threshold > 0:
        raise ValueError(
            "the rule 'entropy' needs the entropy, in nats, below which to answer, a threshold "
            f"above 0, got {threshold}; the entropy of K equally likely classes is log K"
        )
    summed = logits.cumsum(dim=0)
    nats = torch.special.entr(summed.softmax(dim=2)).sum(dim=2)
    return _at(summed, _first(_over_space(nats) < threshold))


def confidence(logits: Logits) -> PerTrial:
    """The softmax maximum over classes; of a label per pixel, its mean over the pixels."""
    return _over_space(logits.softmax(dim=2).amax(dim=2))


def _over_space(x: Float[Tensor, "timestep trial *space"]) -> PerTrial:
    return x.flatten(2).mean(dim=2) if x.ndim > 2 else x


def _first(reached: Tensor) -> Tensor:
    """First timestep (trial,) for which ``reached`` is true, else the last."""
    never = reached.shape[0] - 1
    # argmax gives the first of equal values, for integers only.
    return torch.where(reached.any(dim=0), reached.to(torch.uint8).argmax(dim=0), never)


def _at(logits: Tensor, timestep: Tensor) -> Decision:
    trial = torch.arange(logits.shape[1], device=logits.device)
    return Decision(logits[timestep, trial], timestep)


def _at_the_end(answer: Tensor, logits: Tensor) -> Decision:
    n_timesteps, n_trials = logits.shape[:2]
    return Decision(answer, torch.full((n_trials,), n_timesteps - 1, device=logits.device))


#: Every rule without parameters to learn, by the name that a wiring uses. ``threshold`` and
#: ``entropy`` take a threshold besides the logits (timestep, trial, class, ...).
OVER_TIME: Final[Mapping[str, Callable[..., Decision]]] = MappingProxyType(
    {
        "last": last,
        "cumulative": cumulative,
        "max_confidence": max_confidence,
        "threshold": threshold,
        "entropy": entropy,
        "time_max": time_max,
        "w_avg": w_avg,
        "w_time_avg": w_time_avg,
    }
)


@final
class TimeSoftmax(nn.Module):
    r"""Average over time with learned weights, :math:`\sum_t \mathrm{softmax}(w)_t\, x_t`.

    All weights are equal at first. Of a shorter input the softmax is over the timesteps there are.

    Parameters
    ----------
    timesteps
        How many weights there are.
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        if timesteps < 1:
            raise ValueError(f"a softmax over time needs at least 1 timestep, got {timesteps}")
        self.weight = nn.Parameter(torch.zeros(timesteps))

    def forward(
        self, x: Float[Tensor, "timestep trial channel *rest"]
    ) -> Float[Tensor, "trial channel *rest"]:
        """Weighted average of what is stacked along the first axis.

        Raises
        ------
        ValueError
            If there are more timesteps than weights.
        """
        n_weights, n_timesteps = len(self.weight), len(x)
        if n_timesteps > n_weights:
            raise ValueError(
                f"the softmax over time has learned a weight for each of {n_weights} timesteps and "
                f"has none for the other {n_timesteps - n_weights} of {n_timesteps}; run "
                f"{n_weights}, train with more, or use another rule over time"
            )
        weights = self.weight[:n_timesteps].softmax(dim=0)
        return torch.einsum("t,t...->...", weights, x)
