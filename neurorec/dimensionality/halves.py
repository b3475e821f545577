"""Covariances between two random halves of the repetitions, in sample space."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.gram import centre

_Kernels = Float64[Tensor, "time_bin stimulus stimulus"]


def random_halves(
    products: Float64[Tensor, "time_bin presentation presentation"],
    stimulus: Int64[Tensor, " presentation"],
    *,
    n_splits: int,
    rng: np.random.Generator,
) -> Iterator[tuple[_Kernels, _Kernels]]:
    """Centred inner products inside the first half and of the first with the second.

    Each half holds the means over a random half of the repetitions of each stimulus. Of an odd
    number, the first half takes the larger part or the smaller, at random.
    """
    if n_splits < 1:
        raise ValueError(f"n_splits must be at least 1, got {n_splits}")
    for _ in range(n_splits):
        first, second = (one.to(stimulus.device) for one in _halves(stimulus.cpu().numpy(), rng))
        rows = _means(products, first, stimulus)
        inside, across = (_means(rows.mT, half, stimulus) for half in (first, second))
        # Row: a stimulus in the second half; column: in the first.
        yield centre(inside), centre(across)


def _halves(stimulus: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Presentations of each half."""
    mixed = rng.permutation(len(stimulus))
    order = mixed[np.argsort(stimulus[mixed], kind="stable")]
    counts = np.bincount(stimulus)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    sizes = (counts + rng.integers(2, size=len(counts))) // 2
    chosen = place < np.repeat(sizes, counts)
    return torch.from_numpy(order[chosen]), torch.from_numpy(order[~chosen])


def _means(values: Tensor, half: Tensor, stimulus: Tensor) -> Tensor:
    """Means over the presentations of a half, along the second last axis."""
    groups = stimulus[half]
    counts = torch.bincount(groups)
    sums = values.new_zeros((values.shape[0], len(counts), values.shape[2]))
    sums.index_add_(1, groups, values[:, half])
    return sums / counts[:, None]
