"""Columns of a matrix as directions: mean, norm and deviations, block by block."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# The same as in neurorec.stats: sums of squares below this share of the raw ones are rounding.
_ROUNDING: Final = 1e-20
_NUMBERS: Final = 2**22  # in a block and in its correlations with the targets: 32 MiB each


class Columns(NamedTuple):
    """Columns of a matrix, each as mean + norm * deviation.

    Parameters
    ----------
    deviations
        Of mean 0 and norm 1; all 0 in a column that is constant up to rounding.
    mean, norm
        The norm is 0 where a column is constant.
    """

    deviations: Float[Tensor, "stimulus column"]
    mean: Float[Tensor, " column"]
    norm: Float[Tensor, " column"]


def as_columns(values: Float[Tensor, "stimulus column"]) -> Columns:
    """Mean, norm and direction of every column."""
    mean = values.mean(dim=0)
    deviations = values - mean
    squares = deviations.square().sum(dim=0)
    varies = squares > _ROUNDING * values.square().sum(dim=0)
    norm = torch.where(varies, squares.sqrt(), 0.0)
    return Columns(deviations * torch.where(varies, 1 / squares.sqrt(), 0.0), mean, norm)


def responses_as_columns(y: np.ndarray, device: torch.device) -> Columns:
    """Targets, one or several, on ``device``."""
    values = torch.from_numpy(np.array(y, dtype=np.float64)).to(device)
    return as_columns(values.reshape(len(values), -1))


def blocks_of_units(
    x: np.ndarray, n_targets: int, device: torch.device
) -> Iterator[tuple[slice, Columns]]:
    """Units in blocks whose copy and whose correlations with all targets are of bounded size."""
    n_stimuli, n_units = x.shape
    width = max(1, _NUMBERS // max(n_stimuli, n_targets))
    for start in range(0, n_units, width):
        here = slice(start, min(start + width, n_units))
        yield here, as_columns(torch.from_numpy(np.array(x[:, here])).to(device))
