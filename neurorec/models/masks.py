"""Hard selection: which channels are updated, decided without a gradient."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def top_k_mask(scores: Float[Tensor, "trial channel"], k: int) -> Bool[Tensor, "trial channel"]:
    """The ``k`` largest scores of each trial; no gradient flows into the choice.

    Raises
    ------
    ValueError
        If ``k`` is not between 1 and the number of channels.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be from 1 to the {scores.shape[1]} channels there are, got {k}")
    chosen = scores.detach().topk(k, dim=1).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, chosen, True)


def committed(
    new: dict[str, Tensor], old: dict[str, Tensor], states: tuple[str, ...], k: int
) -> dict[str, Tensor]:
    """New states of the ``k`` channels whose ``h`` changes most; the others keep the old exactly.

    What is not taken over gets no gradient. The mask (trial, channel) is returned as ``active``.
    """
    change = (new["h"] - old["h"]).abs().mean(dim=(2, 3))
    mask = top_k_mask(change, k)
    kept = {s: torch.where(mask[:, :, None, None], new[s], old[s]) for s in states}
    return {**new, **kept, "active": mask}
