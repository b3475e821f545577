"""The Reciprocal Gated Cell of the intermediate model, as released."""

import math
from typing import Final, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurorec.models.cell_options import RGCMedian
from neurorec.models.cells._abstract import AbstractCell, Frame, Prepared
from neurorec.models.cells._shared import check_modulation
from neurorec.models.operators import Convolution
from neurorec.models.parts import Conv

#: Largest share of a state, and half of the largest share of a drive, that a gate passes.
STATE_SHARE: Final = 0.9219348064291611
DRIVE_SHARE: Final = 0.7006566684988862
#: Variance of the initial kernels, times the inputs of a unit.
INITIAL_VARIANCE: Final = 0.6393378
#: Standard deviation of a standard normal value that is kept within -2 and 2.
TRUNCATED_STD: Final = 0.8796256610342398


@final
class _Separable(nn.Module):
    """A convolution per channel, then one of 1 × 1 with biases."""

    def __init__(self, kernel: int, source: int, target: int) -> None:
        super().__init__()
        self.depthwise = Convolution(Conv(kernel=kernel, groups=source), source, source)
        self.pointwise = nn.Conv2d(source, target, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


@final
class RGCMedianCell(AbstractCell):
    r"""Output h and a memory c of its own width, gated by separable convolutions.

    ::

        τ(z) = 0.92 (1 − σ(DS * z))        γ(z) = 0.70 (1 − tanh(DS * z))
        c' = elu(τ_c(c) ⊙ c + γ_h(h) ⊙ (I_c * x))
        h' = elu(τ_h(h) ⊙ h + γ_c(c) ⊙ (I_h * x + m))              x = elu(drive)

    DS is a convolution per channel and one of 1 × 1, of each gate its own; both updates read the
    old states. The drive is a convolution of the area's input; the modulation m is that input
    itself and what feedback brings.

    Raises
    ------
    ValueError
        If state and modulation differ in channels.

    Notes
    -----
    The released ``rgc_intermediate`` of Nayebi et al. (2018). The gates' kernels are no larger
    than the map.
    """

    states = ("h", "c")

    def __init__(self, options: RGCMedian, frame: Frame) -> None:
        super().__init__(options, frame)
        check_modulation(options.kind, frame)
        drive, n, memory = frame.drive_channels, frame.channels, options.memory_channels
        self.into_c = Convolution(Conv(kernel=options.memory_kernel, bias=True), drive, memory)
        self.into_h = Convolution(Conv(kernel=options.kernel, bias=True), drive, n)
        kernel = min(options.gate_kernel, frame.height, frame.width)
        self.tau_c = _Separable(kernel, memory, memory)
        self.tau_h = _Separable(kernel, n, n)
        self.gamma_c = _Separable(kernel, memory, n)
        self.gamma_h = _Separable(kernel, n, memory)

    @property
    def state_channels(self) -> dict[str, int]:
        """The area's channels for h, ``memory_channels`` for c."""
        return {"h": self.frame.channels, "c": self.tau_c.pointwise.out_channels}

    def prepare(self, drive: Tensor, modulation: Tensor | None = None) -> Prepared:
        """The drives of h and c."""
        x = F.elu(drive)
        into_h = self.into_h(x)
        return into_h if modulation is None else into_h + modulation, self.into_c(x)

    def forward(self, prepared: Prepared, state: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The gated mixtures of each old state with its drive."""
        into_h, into_c = prepared
        h, c = state["h"], state["c"]
        new_c = _kept(self.tau_c(c)) * c + _let_in(self.gamma_h(h)) * into_c
        new_h = _kept(self.tau_h(h)) * h + _let_in(self.gamma_c(c)) * into_h
        return {"h": F.elu(new_h), "c": F.elu(new_c)}

    def initialise(self, generator: torch.Generator) -> None:
        """Truncated normal kernels with variance 0.64 / inputs, biases 0."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    _variance_scaling(module.weight, generator)
                    if module.bias is not None:
                        module.bias.zero_()


def _kept(x: Tensor) -> Tensor:
    return STATE_SHARE * torch.sigmoid(-x)


def _let_in(x: Tensor) -> Tensor:
    return DRIVE_SHARE * (1 - torch.tanh(x))


def _variance_scaling(weight: Tensor, generator: torch.Generator) -> None:
    """Normal values within two standard deviations, widened to the variance of a whole normal."""
    std = math.sqrt(INITIAL_VARIANCE / weight[0].numel()) / TRUNCATED_STD
    nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)
