"""Cells: how an area's drive and its past become its new state."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from neurorec.models.cells._abstract import AbstractCell as AbstractCell
from neurorec.models.cells.rectified import Rectified as Rectified
from neurorec.models.cells.time_decay import TimeDecay as TimeDecay

#: Every cell, by the name that a wiring uses.
CELLS: Final[Mapping[str, type[AbstractCell]]] = MappingProxyType(
    {"rectified": Rectified, "time_decay": TimeDecay}
)
