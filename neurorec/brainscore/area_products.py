"""Inner products of stimuli over the units of an area, at each timestep, from what a pass kept."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Int

from neurorec.brainscore.kept import Kept
from neurorec.brainscore.products import Products
from neurorec.gram import ahead, products_and_sums, resolve_device

#: Of the matrices that exist at any one time.
MATRIX_BYTES: Final = 2**30
#: Of a block of units.
BLOCK_BYTES: Final = 64 * 2**20


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

        def blocks() -> Iterator[tuple[int, np.ndarray]]:
            nonlocal n_units
            for values in kept.blocks(area, block_bytes=block_bytes):
                n_units += values.shape[1]
                yield 0, values[stimuli, :, times]  # noqa: B023  (used up before the next group)

        grams, sums = products_and_sums(
            ahead(blocks()), centred=centred, device=str(resolve_device(device))
        )
        for gram, total in zip(grams, sums, strict=True):
            yield Products(gram=gram, sums=total, n_units=n_units)
