"""Residual blocks that are applied again and again."""

import math
from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cell_options import Residual
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.cells._shared import check_channels
from neurorec.models.operators import Convolution
from neurorec.models.parts import Conv


@final
class Block(nn.Module):
    """``relu(W_2 * relu(W_1 * x) + x)``."""

    def __init__(self, kernel: int, channels: int) -> None:
        super().__init__()
        self.conv1 = Convolution(Conv(kernel=kernel), channels, channels)
        self.conv2 = Convolution(Conv(kernel=kernel), channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The block applied once."""
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + x)


@final
class ResidualCell(AbstractCell):
    r"""``h' = B_n(… B_1(h))`` with residual blocks ``B``; the drive is not read.

    An area of this cell starts from its drive (``cold_start: drive``). R-ResNet of Schwarzschild
    et al. (2021), as used by Veerabadran et al. (2023).

    Raises
    ------
    ValueError
        If the drive has another number of channels than the area.
    """

    def __init__(self, options: Residual, frame: Frame) -> None:
        super().__init__(options, frame)
        check_channels(options.kind, frame)
        self.blocks = nn.Sequential(
            *(Block(options.kernel, frame.channels) for _ in range(options.blocks))
        )

    def prepare(self, drive: Tensor, modulation: Tensor | None = None) -> Prepared:
        """Nothing."""
        return ()

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The blocks, one after the other."""
        return {"h": self.blocks(state["h"])}

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Uniform within 1 / sqrt(inputs of a unit), as released."""
        for weight in self.parameters():
            bound = 1 / math.sqrt(weight[0].numel())
            weight.uniform_(-bound, bound, generator=generator)
