"""From the map of the readout area to logits."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurorec.models.norms import StepNorm
from neurorec.models.parts import Readout


@final
class Decoder(nn.Module):
    """Pooling over space, norm and linear layer of one timestep.

    Without pooling there are logits for every pixel. Without a linear layer they are the first
    channels of the map.
    """

    def __init__(self, options: Readout, channels: int, classes: int) -> None:
        super().__init__()
        self.options, self.classes = options, classes
        self.norm = StepNorm(options.norm, (channels, 1, 1), 1)  # type: ignore[arg-type]
        linear = options.decoder == "linear"
        self.linear = nn.Linear(channels, classes, bias=options.bias) if linear else None

    def forward(self, x: Tensor) -> Tensor:
        """Logits (trial, class), or (trial, class, height, width) without pooling."""
        if self.options.pool == "mean":
            x = x.mean(dim=(2, 3), keepdim=True)
        elif self.options.pool == "max":
            x = torch.amax(x, dim=(2, 3), keepdim=True)
        x = self.norm(x, 0)
        if self.linear is None:
            x = x[:, : self.classes]
        else:
            x = F.conv2d(x, self.linear.weight[:, :, None, None], self.linear.bias)
        return x if self.options.pool == "none" else x.flatten(1)
