"""Pointwise functions, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor


def identity(x: Tensor) -> Tensor:
    """The argument."""
    return x


def unit_clip(x: Tensor) -> Tensor:
    """The argument, clipped to [0, 1]."""
    return x.clamp(0, 1)


#: Every nonlinearity, by the name that a wiring uses.
NONLINEARITIES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = MappingProxyType(
    {
        "identity": identity,
        "relu": torch.relu,
        "relu6": F.relu6,
        "leaky_relu": F.leaky_relu,
        "elu": F.elu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softplus": F.softplus,
        "unit_clip": unit_clip,
        "square": torch.square,
    }
)
