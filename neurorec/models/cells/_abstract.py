"""What every cell promises."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cell_options import CellOptions

Prepared = tuple[Tensor, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Frame:
    """Sizes a cell is built for.

    ``timesteps`` is how many its norms and factors of single timesteps are made for;
    ``modulation_channels`` is 0 where the area has no modulating connection.
    """

    drive_channels: int
    channels: int
    height: int
    width: int
    timesteps: int
    modulation_channels: int = 0


class AbstractCell(nn.Module):
    """One timestep of an area: explicit state in, explicit state out.

    The work is in two halves. :meth:`prepare` does what depends on the drive alone, and an unroll
    whose drive does not change calls it once; :meth:`forward` does the rest at every timestep.
    ``h`` is the state that leaves the area.
    """

    #: Names of the tensors that the next timestep reads.
    states: tuple[str, ...] = ("h",)
    #: Names of further tensors that :meth:`forward` returns, to be recorded.
    extras: tuple[str, ...] = ()

    def __init__(self, options: CellOptions, frame: Frame) -> None:
        super().__init__()
        self.options = options
        self.frame = frame

    @property
    def state_channels(self) -> dict[str, int]:
        """Channels of each state; all have the area's height and width."""
        return dict.fromkeys(self.states, self.frame.channels)

    @property
    def max_timesteps(self) -> int | None:
        """How many timesteps the cell can run; None where there is no limit."""
        return None

    def prepare(self, drive: Tensor, modulation: Tensor | None = None) -> Prepared:
        """What depends on the drive alone."""
        return (drive,)

    @abstractmethod
    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """New states (and extras) from what was prepared and the old states.

        Parameters
        ----------
        prepared
            From :meth:`prepare`.
        state
            The tensors named in ``states``; none is changed.
        step
            Timesteps the area has run before, from 0.
        """

    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights: orthogonal kernels, biases 0."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    # orthogonal_ takes contiguous kernels only.
                    kernel = torch.empty(module.weight.shape, device=module.weight.device)
                    module.weight.copy_(nn.init.orthogonal_(kernel, generator=generator))
                    if module.bias is not None:
                        module.bias.zero_()
