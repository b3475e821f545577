"""Bytes of a stimulus set to what a model sees."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor


def to_images(
    pixels: UInt8[np.ndarray, "stimulus height width 3"],
    size: int,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "stimulus 3 {size} {size}"]:
    """Images of ``size`` × ``size`` in [0, 1].

    Shrinking averages over the pixels that fall together (antialiased bilinear).
    """
    # A copy, so that torch may hold memory that the caller's array does not share.
    x = torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2).float() / 255
    if tuple(x.shape[2:]) == (size, size):
        return x.contiguous()
    resized = F.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.clamp(0, 1)
