"""Inner products of stimuli over the units of an area, at each timestep, from what a pass kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from neurorec.brainscore.passes import Kept
from neurorec.gram import ahead, products_and_sums, resolve_device

#: Of the matrices that exist at any one time.
MATRIX_BYTES: Final = 2**30
#: Of a block of units.
BLOCK_BYTES: Final = 64 * 2**20


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Products:
    """What readouts and similarities need of units, whatever their number.

    Parameters
    ----------
    gram
        Inner products over units.
    sums
        Sum of each stimulus over units.
    n_units
        Number of units.
    """

    gram: Float64[Tensor, "stimulus stimulus"]
    sums: Float64[Tensor, " stimulus"]
    n_units: int

    def __add__(self, other: "Products") -> "Products":
        """Products over the units of both."""
        return Products(
            gram=self.gram + other.gram,
            sums=self.sums + other.sums,
            n_units=self.n_units + other.n_units,
        )


def products_over_time(
    kept: Kept,
    area: str,
    stimuli: Int[np.ndarray, " stimulus"],
    *,
    centred: bool,
    device: str = "cpu",
    matrix_bytes: int = MATRIX_BYTES,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Products]:
    """Products at each time bin that was kept, one after the other.

    Units are read in blocks, and as many time bins at once as ``matrix_bytes`` hold matrices; the
    file is read once for each such group.

    Parameters
    ----------
    stimuli
        Which of those that were shown, in their order.
    centred
        Subtract each unit's mean over these stimuli first.
    """
    n_bins = next(kept.blocks(area, block_bytes=1)).shape[2]
    n_together = max(matrix_bytes // (8 * len(stimuli) ** 2), 1)
    for start in range(0, n_bins, n_together):
        times = slice(start, min(start + n_together, n_bins))
        n_units = 0

        def blocks() -> Iterator[np.ndarray]:
            nonlocal n_units
            for values in kept.blocks(area, block_bytes=block_bytes):
                n_units += values.shape[1]
                yield values[stimuli, :, times]  # noqa: B023  (used up before the next group)

        grams, sums = products_and_sums(
            ahead(blocks()), centred=centred, device=str(resolve_device(device))
        )
        for gram, total in zip(grams, sums, strict=True):
            yield Products(gram=gram, sums=total, n_units=n_units)


def tensor_of(values: np.ndarray, device: str) -> Float64[Tensor, "..."]:
    """The same numbers where products are."""
    return torch.from_numpy(values.astype(np.float64)).to(resolve_device(device))
