"""Rules by which the inputs of an area become one drive."""

from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

#: Inputs of one role, those that are silenced or have not started being None.
Terms = tuple[Tensor | None, ...]


def total(terms: Terms) -> Tensor | None:
    """Sum of the terms that are there."""
    present = [term for term in terms if term is not None]
    return reduce(torch.add, present) if present else None


def added(drive: Tensor, modulation: Tensor | None) -> Tensor:
    """The drive; a cell may make use of the modulation."""
    return drive


def multiplied(drive: Tensor, modulation: Tensor | None) -> Tensor:
    """``d (1 + m)``; without modulation d."""
    return drive if modulation is None else drive * (1 + modulation)


def sigmoid_gated(drive: Tensor, modulation: Tensor | None) -> Tensor:
    """``2 relu(d) sigmoid(m)``; without modulation relu(d)."""
    rectified = torch.relu(drive)
    return rectified if modulation is None else rectified * (2 * torch.sigmoid(modulation))


#: Every rule that sums its terms, by the name that a wiring uses. ``concat`` is in the area.
RULES: Final[Mapping[str, Callable[[Tensor, Tensor | None], Tensor]]] = MappingProxyType(
    {"sum": added, "concat": added, "multiply": multiplied, "sigmoid_gate": sigmoid_gated}
)
