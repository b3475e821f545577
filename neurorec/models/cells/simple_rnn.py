"""A convolutional Elman network."""

from typing import final

from torch import Tensor

from neurorec.models.cell_options import SimpleRNN
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.nonlinearities import NONLINEARITIES
from neurorec.models.norms import StepNorm
from neurorec.models.operators import Convolution
from neurorec.models.parts import Conv


@final
class SimpleRNNCell(AbstractCell):
    r"""``h' = f(Norm(W_i * drive + b_i + W_s * h + b_s))``.

    Nayebi et al. (2018), SimpleRNN, with both biases.
    """

    def __init__(self, options: SimpleRNN, frame: Frame) -> None:
        super().__init__(options, frame)
        conv = Conv(kernel=options.kernel, bias=True)
        self.of_drive = Convolution(conv, frame.drive_channels, frame.channels)
        self.of_state = Convolution(conv, frame.channels, frame.channels)
        shape = (frame.channels, frame.height, frame.width)
        self.norm = StepNorm(options.norm, shape, frame.timesteps)  # type: ignore[arg-type]
        self.nonlinearity = NONLINEARITIES[options.nonlinearity]

    @property
    def max_timesteps(self) -> int | None:
        """Those of the norm."""
        return self.norm.max_timesteps

    def prepare(self, drive: Tensor, modulation: Tensor | None = None) -> Prepared:
        """The convolved drive."""
        return (self.of_drive(drive),)

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The normed sum."""
        return {"h": self.nonlinearity(self.norm(prepared[0] + self.of_state(state["h"]), step))}
