"""The Reciprocal Gated Cell of the shallow model, as released."""

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurorec.models.cell_options import RGCShallow
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.cells._shared import check_channels, check_modulation, orthogonal_parts_
from neurorec.models.operators import Convolution
from neurorec.models.parts import Conv


@final
class RGCShallowCell(AbstractCell):
    r"""The memory's drive has a convolution of its own, and the area's input enters a gate.

    ::

        c' = elu((1 − σ(T_c * c)) ⊙ c + (1 − σ(G_c * h)) ⊙ (I_c * drive))
        h' = elu((1 − σ(T_h * h)) ⊙ h + (1 − σ(G_h * c + m)) ⊙ drive)

    Both read the old states. As published, the drive is ``elu(W * u)`` of the area's input u and
    the modulation m is ``R * u``; without a modulation, m is 0.

    Raises
    ------
    ValueError
        If drive, state and modulation differ in channels.

    Notes
    -----
    The released ``rgc_shallow`` of Nayebi et al. (2018), where T, G, I and R have no biases.
    """

    states = ("h", "c")

    def __init__(self, options: RGCShallow, frame: Frame) -> None:
        super().__init__(options, frame)
        check_channels(options.kind, frame)
        check_modulation(options.kind, frame)
        kernel, n = Conv(kernel=options.kernel, bias=options.bias), frame.channels
        self.from_c = Convolution(kernel, n, 2 * n)  # T_c, G_h
        self.from_h = Convolution(kernel, n, 2 * n)  # T_h, G_c
        self.into_c = Convolution(kernel, n, n)  # I_c

    def prepare(self, drive: Tensor, modulation: Tensor | None = None) -> Prepared:
        """The drive of h, that of c and the modulation."""
        drives = drive, self.into_c(drive)
        return drives if modulation is None else (*drives, modulation)

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The gated mixtures of each old state with its drive."""
        x, memory_x, *modulation = prepared
        h, c = state["h"], state["c"]
        tau_c, gate_h = self.from_c(c).chunk(2, dim=1)
        tau_h, gate_c = self.from_h(h).chunk(2, dim=1)
        gate_h = sum(modulation, gate_h)
        # 1 - sigmoid(z) is sigmoid(-z).
        new_c = torch.sigmoid(-tau_c) * c + torch.sigmoid(-gate_c) * memory_x
        new_h = torch.sigmoid(-tau_h) * h + torch.sigmoid(-gate_h) * x
        return {"h": F.elu(new_h), "c": F.elu(new_c)}

    def initialise(self, generator: torch.Generator) -> None:
        """Each kernel orthogonal by itself, biases 0."""
        for convolution, n in ((self.from_c, 2), (self.from_h, 2), (self.into_c, 1)):
            orthogonal_parts_(convolution, n, generator)
