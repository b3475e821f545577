"""No memory of its own."""

from typing import final

from torch import Tensor

from neurorec.models.cells._abstract import AbstractCell, Prepared


@final
class MemorylessCell(AbstractCell):
    r"""``h' = drive``; memory, if any, lives in lateral and feedback connections."""

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The drive."""
        return {"h": prepared[0]}
