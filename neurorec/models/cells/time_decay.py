"""A leaky accumulator."""

from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cells._abstract import AbstractCell


@final
class TimeDecay(AbstractCell):
    r"""``s' = λ s + drive``, ``h' = relu(s')``, with one trainable λ per area, 0 at first.

    Nayebi et al. (2018), time decay.
    """

    states = ("h", "s")

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.zeros(()))

    def forward(self, drive: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """New state from the summed input and the decayed old one."""
        s = self.decay * state["s"] + drive
        return {"h": torch.relu(s), "s": s}
