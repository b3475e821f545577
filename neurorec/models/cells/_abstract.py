"""What every cell promises."""

from abc import abstractmethod

from torch import Tensor, nn


class AbstractCell(nn.Module):
    """One timestep of an area: explicit state in, explicit state out.

    ``state`` holds the named tensors that :meth:`forward` returned one timestep before; ``h`` is
    the one that leaves the area.
    """

    #: Names of the state's tensors; all have the area's shape.
    states: tuple[str, ...] = ("h",)

    @abstractmethod
    def forward(self, drive: Tensor, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """New state from the summed input and the old state."""
