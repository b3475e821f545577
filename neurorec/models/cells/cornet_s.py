"""CORnet-S's block."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurorec.models.cell_options import CORnetS
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.cells._shared import check_channels
from neurorec.models.norms import StepNorm
from neurorec.models.parts import Norm


@final
class CORnetSCell(AbstractCell):
    r"""A bottleneck whose weights are shared over iterations and whose norms are not.

    ::

        x = drive at the first iteration, h at the others
        z = relu(N_k1(W_1 * x));  z = relu(N_k2(W_2 * z))
        h' = relu(N_k3(W_3 * z) + (N(W_skip * x) at the first iteration, x at the others))

    ``W_2`` is 3 × 3, the others 1 × 1. At the first iteration ``W_2`` and ``W_skip`` stride from
    the drive's map to the state's. Kubilius et al. (2019).

    Raises
    ------
    ValueError
        If the drive has another number of channels than the area.
    """

    def __init__(self, options: CORnetS, frame: Frame) -> None:
        super().__init__(options, frame)
        check_channels(options.kind, frame)
        channels, size = frame.channels, (frame.height, frame.width)
        inner = options.scale * channels
        self.stride = options.stride
        self.skip = nn.Conv2d(channels, channels, 1, self.stride, bias=False)
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        norm = Norm(kind="batch", per_step=True)
        self.norm_skip = nn.BatchNorm2d(channels, eps=norm.eps)
        self.norm1, self.norm2, self.norm3 = (
            StepNorm(norm, (width, *size), frame.timesteps) for width in (inner, inner, channels)
        )

    @property
    def max_timesteps(self) -> int | None:
        """As many as there are norms."""
        return self.norm3.max_timesteps

    # The first iteration alone depends on the drive alone. It is not prepared, for an unroll whose
    # drive changes would then convolve, and count in the norms' statistics, what nothing reads.

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One iteration."""
        first = step == 0
        x = prepared[0] if first else state["h"]
        skip = self.norm_skip(self.skip(x)) if first else x
        z = torch.relu(self.norm1(self.conv1(x), step))
        stride = self.stride if first else 1
        z = F.conv2d(z, self.conv2.weight, stride=stride, padding=1)
        z = torch.relu(self.norm2(z, step))
        return {"h": torch.relu(self.norm3(self.conv3(z), step) + skip)}

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Normal with variance 2 / (outputs that a unit reaches), as released."""
        for conv in (self.skip, self.conv1, self.conv2, self.conv3):
            nn.init.kaiming_normal_(
                conv.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
