"""The control that every model should beat: the pixels of the image."""

from typing import Final

from torch import Tensor, nn, ones

from neurorec.models import adapters
from neurorec.models.adapters import Feedforward

#: Pixels along a side unless another number is asked for: 12,288 units, which at 8 degrees of
#: visual angle resolve 4 cycles per degree. Our choice.
PIXELS: Final = 64
#: Its only area, which stands for any region.
AREA: Final = "pixels"


class Pixels(nn.Module):
    """Shows the image as it is, and answers with its mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Identity()
        # Nothing else here tells on which device it is.
        self.register_buffer("gain", ones(()))

    def forward(self, image: Tensor) -> Tensor:
        """Mean of each colour."""
        return self.pixels(image * self.gain).mean(dim=(2, 3))  # type: ignore[operator]


def pixel_model(size: int = PIXELS) -> Feedforward:
    """Images of ``size`` × ``size`` pixels, colours in [0, 1], as a model with one area.

    Larger images are averaged down to this size (antialiased), as for any other model.

    Raises
    ------
    ValueError
        If ``size`` is not positive.
    """
    if size < 1:
        raise ValueError(f"the pixel model needs at least 1 pixel along a side, got {size}")
    return adapters.feedforward(Pixels().eval(), {AREA: AREA}, input_size=size)
