"""A leaky accumulator."""

from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cell_options import TimeDecay
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared


@final
class TimeDecayCell(AbstractCell):
    r"""``h' = λ h + drive``, with one trainable λ per area, 0 at first.

    Nayebi et al. (2018), time decay.
    """

    def __init__(self, options: TimeDecay, frame: Frame) -> None:
        super().__init__(options, frame)
        self.decay = nn.Parameter(torch.zeros(()))

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The drive and the decayed old state."""
        return {"h": self.decay * state["h"] + prepared[0]}
