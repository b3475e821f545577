"""A rectified sum of inputs, without memory of its own."""

from typing import final

import torch
from torch import Tensor

from neurorec.models.cells._abstract import AbstractCell


@final
class Rectified(AbstractCell):
    r"""``h' = relu(drive)``; memory lives in lateral and feedback connections."""

    def forward(self, drive: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """New state from the summed input."""
        return {"h": torch.relu(drive)}
