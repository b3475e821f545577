"""The Reciprocal Gated Cell, in the form of the paper."""

from typing import final

import torch
from torch import Tensor, nn

from neurorec.models.cell_options import RGC
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.cells._shared import check_channels, orthogonal_parts_
from neurorec.models.nonlinearities import NONLINEARITIES
from neurorec.models.operators import Convolution
from neurorec.models.parts import Conv


@final
class _Gates(nn.Module):
    """Two convolutions of one state; a single one where their kernels are equally large.

    A 1 × 1 kernel inside a larger one would also be a single convolution, but a slower one.
    """

    def __init__(self, channels: int, kernel: int, memory_kernel: int) -> None:
        super().__init__()
        kernels = (kernel,) if kernel == memory_kernel else (kernel, memory_kernel)
        self.convolutions = nn.ModuleList(
            Convolution(Conv(kernel=size, bias=True), channels, 2 * channels // len(kernels))
            for size in kernels
        )

    def forward(self, state: Tensor) -> tuple[Tensor, ...]:
        """Inputs of the gates in the update of h and of c."""
        if len(self.convolutions) == 1:
            return self.convolutions[0](state).chunk(2, dim=1)
        return tuple(convolution(state) for convolution in self.convolutions)

    def initialise(self, generator: torch.Generator) -> None:
        for convolution in self.convolutions:
            orthogonal_parts_(convolution, 2 // len(self.convolutions), generator)  # type: ignore[arg-type]


@final
class RGCCell(AbstractCell):
    r"""Output h and memory c; each gates itself and the drive of the other.

    ::

        h' = f((1 − σ(W_ch * c)) ⊙ drive + (1 − σ(W_hh * h)) ⊙ h)
        c' = f((1 − σ(W_hc * h)) ⊙ drive + (1 − σ(W_cc * c)) ⊙ c)

    Both read the old states.

    Raises
    ------
    ValueError
        If drive and state differ in channels.

    Notes
    -----
    Nayebi et al. (2018), as used by Veerabadran et al. (2023): W_ch and W_hh have the larger
    ``kernel``, W_hc and W_cc the ``memory_kernel``, all have biases.
    """

    states = ("h", "c")

    def __init__(self, options: RGC, frame: Frame) -> None:
        super().__init__(options, frame)
        check_channels(options.kind, frame)
        self.nonlinearity = NONLINEARITIES[options.nonlinearity]
        self.from_h = _Gates(frame.channels, options.kernel, options.memory_kernel)
        self.from_c = _Gates(frame.channels, options.kernel, options.memory_kernel)

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The gated mixtures of the drive with either old state."""
        (x,), h, c = prepared, state["h"], state["c"]
        hh, hc = self.from_h(h)
        ch, cc = self.from_c(c)
        # 1 - sigmoid(z) is sigmoid(-z).
        new_h = torch.addcmul(torch.sigmoid(-ch) * x, torch.sigmoid(-hh), h)
        new_c = torch.addcmul(torch.sigmoid(-hc) * x, torch.sigmoid(-cc), c)
        return {"h": self.nonlinearity(new_h), "c": self.nonlinearity(new_c)}

    def initialise(self, generator: torch.Generator) -> None:
        """Each kernel orthogonal by itself, biases 0."""
        self.from_h.initialise(generator)
        self.from_c.initialise(generator)
