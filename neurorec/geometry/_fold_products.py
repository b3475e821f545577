"""Inner products of the two sides of each fold, block by block of units."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from neurorec.geometry._measured import Request
from neurorec.geometry._reading import require_finite
from neurorec.geometry.presentations import Presentations
from neurorec.gram import resolve_device
from neurorec.populations import as_population
from neurorec.populations.patterns import PRECISIONS


def fold_products(
    request: Request,
    folds: Sequence[tuple[Presentations, Presentations]],
    whole: Presentations,
) -> Float64[Tensor, "fold time_bin stimulus stimulus_b"]:
    """Inner products of test and training means, less what all presentations have in common.

    No inner products of all presentations are needed, which would be as many again as there are
    repetitions.
    """
    population, target = as_population(request.source), resolve_device(request.device)
    n_times, dtype = population.n_times, PRECISIONS[request.precision]
    shape = (len(folds), n_times, whole.n_stimuli, whole.n_stimuli)
    products = torch.zeros(shape, dtype=torch.float64, device=target)
    for values in population.blocks(range(n_times)):
        # Rows of a block lie apart, and would be copied for every fold.
        block = np.ascontiguousarray(values)
        sums = whole.sums(block)
        require_finite(sums)
        # Only differences count: what all responses have in common would cost digits.
        common = sums.sum(axis=0) / len(whole.rows)
        for i, (test, train) in enumerate(folds):
            inside = test.sums(block)
            first = _of_time(inside / _at_least_one(test) - common, target, dtype)
            second = _of_time((sums - inside) / _at_least_one(train) - common, target, dtype)
            products[i] += first @ second.mT
    return products


def _at_least_one(some: Presentations) -> np.ndarray:
    return np.maximum(some.counts, 1)[:, None, None]


def _of_time(means: np.ndarray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Means (stimulus, unit, time_bin) with time first."""
    return torch.from_numpy(np.ascontiguousarray(means.transpose(2, 0, 1))).to(device, dtype)
