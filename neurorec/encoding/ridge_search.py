"""Grids of penalties, and the search that moves their edges."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding.ridge_selection import Choice, Criterion


class Grid(NamedTuple):
    """Penalties to try, as multiples of the mean eigenvalue, and how far to look beyond them.

    Parameters
    ----------
    log10_low, log10_high
        First and last exponent.
    log10_step
        Distance of neighbours.
    log10_growth
        Distance by which an edge moves out when a target has its least error there.
    n_growths
        How often an edge may move.
    """

    log10_low: float = -2.0
    log10_high: float = 3.0
    log10_step: float = 0.5
    log10_growth: float = 2.0
    n_growths: int = 3

    def penalties(
        self, scale: Float[Tensor, ""], low: float | None = None, high: float | None = None
    ) -> Float[Tensor, " penalty"]:
        """Penalties from ``10**low`` to ``10**high``, both included; the grid before it grows."""
        low = self.log10_low if low is None else low
        high = self.log10_high if high is None else high
        count = round((high - low) / self.log10_step) + 1
        return scale * 10 ** torch.linspace(
            low, high, count, dtype=scale.dtype, device=scale.device
        )


def checked_penalties(penalties: Any, device: torch.device) -> Float[Tensor, " penalty"]:
    """Penalties of a grid that is given.

    Raises
    ------
    ValueError
        Unless they are one or more positive numbers.
    """
    grid = torch.as_tensor(np.array(penalties, dtype=np.float64, ndmin=1), device=device)
    if grid.ndim != 1 or len(grid) == 0 or not bool((grid > 0).all()):
        raise ValueError(
            "penalties must be one or more positive numbers, got "
            f"{np.array2string(grid.cpu().numpy(), threshold=8)}"
        )
    return grid


def searched(criterion: Criterion, scale: Float[Tensor, ""], grid: Grid) -> Choice:
    """Penalty of least error for each target, from a grid that grows at its edges.

    Parameters
    ----------
    scale
        The mean eigenvalue.
    """
    penalties = grid.penalties(scale)
    chosen = criterion.least(penalties)
    step, far = grid.log10_step, grid.log10_growth
    for growth in range(grid.n_growths):
        low, high = grid.log10_low - growth * far, grid.log10_high + growth * far
        for edge, first, last in ((low, low - far, low - step), (high, high + step, high + far)):
            at_edge = torch.isclose(chosen.penalty, scale * 10**edge, rtol=1e-6, atol=0.0)
            targets = at_edge.nonzero().flatten()
            if len(targets) == 0:
                continue
            beyond = criterion.of(targets).least(grid.penalties(scale, first, last))
            better = beyond.error < chosen.error[targets]
            moved = targets[better]
            chosen.penalty[moved] = beyond.penalty[better]
            chosen.error[moved] = beyond.error[better]
    return chosen
