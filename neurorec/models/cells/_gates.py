"""What gated cells share."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn


def blend(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """``(1 - share) a + share b``."""
    # Under autocast a state may be wider than what convolutions give; lerp wants one type.
    kind = torch.promote_types(a.dtype, b.dtype)
    return torch.lerp(a.to(kind), b.to(kind), share.to(kind))


@torch.no_grad()
def orthogonal_gates_(
    of_drive: nn.Conv2d, of_state: Sequence[nn.Conv2d], generator: torch.Generator
) -> None:
    """Orthogonal kernels, gate by gate, over the drive and the state together; biases 0.

    Parameters
    ----------
    of_drive
        Its outputs are the gates, one after the other.
    of_state
        The same gates in the same order, in one convolution or several without biases.
    """
    channels = of_state[0].in_channels
    drive_kernels = of_drive.weight.split(channels)
    state_kernels = chain.from_iterable(conv.weight.split(channels) for conv in of_state)
    for of_x, of_h in zip(drive_kernels, state_kernels, strict=True):
        # Published cells convolve [drive; state]; their kernels are orthogonal as a whole.
        joint = nn.init.orthogonal_(torch.cat([of_x, of_h], 1), generator=generator)
        of_x.copy_(joint[:, : of_drive.in_channels])
        of_h.copy_(joint[:, of_drive.in_channels :])
    assert of_drive.bias is not None
    of_drive.bias.zero_()
