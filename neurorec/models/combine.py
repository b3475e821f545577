"""Rules by which the inputs of an area become one drive."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurorec.models.wiring import IMAGE, Area, Connection, Shape, Wiring


def key(connection: Connection) -> str:
    """Name of a connection's parameters in a checkpoint."""
    return f"{connection.source}_{connection.delay}"


class AbstractCombine(nn.Module):
    """Inputs of one area, by connection, to its drive.

    ``image_terms`` does the part of the work that depends on the stimulus alone; an unroll of a
    static image calls it once.
    """

    @abstractmethod
    def image_terms(self, image: Tensor) -> Tensor | None:
        """Contribution of the stimulus, or None if the area does not see it."""

    @abstractmethod
    def forward(self, image_terms: Tensor | None, inputs: Mapping[str, Tensor]) -> Tensor:
        """Drive of the area; ``inputs`` are keyed by :func:`key`."""


def _resized(x: Tensor, connection: Connection, size: tuple[int, int]) -> Tensor:
    if connection.resize is None or tuple(x.shape[2:]) == size:
        return x
    if connection.resize == "nearest":
        return F.interpolate(x, size, mode="nearest")
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


@final
class Sum(AbstractCombine):
    """Sum of one convolution per connection."""

    def __init__(self, wiring: Wiring, area: Area, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        self.connections = wiring.into(area.name)
        self.size = {key(c): wiring.landing_size(c, shapes) for c in self.connections}
        self.weights = nn.ModuleDict()
        for connection in self.connections:
            channels = wiring.source_shape(connection, shapes)[0]
            stride = area.stride if connection.kind == "feedforward" else 1
            self.weights[key(connection)] = nn.Conv2d(
                channels, area.channels, area.kernel, stride, area.kernel // 2, bias=False
            )
        self.bias = nn.Parameter(torch.zeros(area.channels, 1, 1))

    def image_terms(self, image: Tensor) -> Tensor | None:
        """Convolved stimulus and bias."""
        terms = [c for c in self.connections if c.source == IMAGE and not c.silenced]
        if not terms:
            return None
        return sum((self.weights[key(c)](image) for c in terms), start=self.bias)

    def forward(self, image_terms: Tensor | None, inputs: Mapping[str, Tensor]) -> Tensor:
        """Sum of the convolved inputs."""
        drive = self.bias if image_terms is None else image_terms
        for connection in self.connections:
            name = key(connection)
            if name in inputs:
                drive = drive + self.weights[name](
                    _resized(inputs[name], connection, self.size[name])
                )
        return drive


@final
class Concat(AbstractCombine):
    """Maps side by side, mixed by a 1 × 1 convolution, then integrated by the area's kernel.

    A silenced input is a map of zeros, so that its weights exist and count.
    """

    def __init__(self, wiring: Wiring, area: Area, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        self.connections = wiring.into(area.name)
        self.size = wiring.landing_size(self.connections[0], shapes)
        self.channels = [wiring.source_shape(c, shapes)[0] for c in self.connections]
        self.mix = nn.Conv2d(sum(self.channels), area.channels, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(area.channels, 1, 1))
        self.integrate = nn.Conv2d(
            area.channels, area.channels, area.kernel, area.stride, area.kernel // 2
        )

    def image_terms(self, image: Tensor) -> Tensor | None:
        """The stimulus itself, where it is one of the maps."""
        return image if any(c.source == IMAGE for c in self.connections) else None

    def forward(self, image_terms: Tensor | None, inputs: Mapping[str, Tensor]) -> Tensor:
        """Integrated map."""
        # The 1 x 1 convolution of zeros is zero: convolve only the maps that speak.
        weights = self.mix.weight.split(self.channels, dim=1)
        mixed: Tensor = self.bias
        for connection, weight in zip(self.connections, weights, strict=True):
            x = image_terms if connection.source == IMAGE else inputs.get(key(connection))
            if x is None:
                continue
            # Mixing channels and resizing commute; mixing first works on the smaller map.
            mixed = mixed + _resized(F.conv2d(x, weight), connection, self.size)
        return self.integrate(mixed)


def build_combine(wiring: Wiring, area: Area, shapes: Mapping[str, Shape]) -> AbstractCombine:
    """The combine rule that ``area`` names."""
    rules: Mapping[str, type[Sum] | type[Concat]] = {"sum": Sum, "concat": Concat}
    return rules[area.combine](wiring, area, shapes)
