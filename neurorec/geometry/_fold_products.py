"""Inner products of the two sides of each fold, some units at a time."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float64, Num
from torch import Tensor

from neurorec.geometry._measured import Request
from neurorec.geometry._reading import require_finite
from neurorec.geometry.presentations import Presentations
from neurorec.gram import resolve_device
from neurorec.populations import as_population
from neurorec.populations.patterns import PRECISIONS

_Folds = Sequence[tuple[Presentations, Presentations]]

# Numbers of one piece of a block, as float64 4 MiB: what is made of it stays near the processor.
_PIECE: Final = 2**19
# Products of fewer units are slow to make.
_FEWEST_UNITS: Final = 512


def fold_products(
    request: Request, folds: _Folds, whole: Presentations
) -> Float64[Tensor, "fold time_bin stimulus stimulus_b"]:
    """Inner products of test and training means, less what all presentations have in common.

    No inner products of all presentations are needed, which would be as many again as there are
    repetitions. Sums are multiplied, and their products divided by how many were summed.
    """
    population, target = as_population(request.source), resolve_device(request.device)
    n_times, dtype = population.n_times, PRECISIONS[request.precision]
    shape = (len(folds), n_times, whole.n_stimuli, whole.n_stimuli)
    products = torch.zeros(shape, dtype=torch.float64, device=target)
    cells = _cells(folds, whole)
    for block in population.blocks(range(n_times)):
        for values in _pieces(block):
            sums = _centred(cells.sums(values), cells, target)
            grouped = sums.unflatten(1, (-1, whole.n_stimuli)).transpose(0, 1)
            inside = grouped[: len(folds)]
            outside = grouped.sum(dim=0) - inside
            products += inside.to(dtype) @ outside.to(dtype).mT
    inside, outside = (
        torch.from_numpy(np.stack([np.maximum(fold[side].counts, 1) for fold in folds]))
        for side in (0, 1)
    )
    return products.div_((inside[:, :, None] * outside[:, None]).to(target)[:, None])


def _cells(folds: _Folds, whole: Presentations) -> Presentations:
    """Every stimulus in every fold as a stimulus of its own, and in what no fold holds out."""
    fold = np.full(len(whole.rows), len(folds))
    for number, (test, _) in enumerate(folds):
        fold[test.rows] = number
    return Presentations(
        rows=whole.rows,
        stimulus=fold * whole.n_stimuli + whole.stimulus,
        n_stimuli=(int(fold.max()) + 1) * whole.n_stimuli,
    )


def _pieces(
    block: Num[np.ndarray, "presentation unit time_bin"],
) -> Iterator[Num[np.ndarray, "presentation some time_bin"]]:
    n_rows, n_units, n_times = block.shape
    size = max(_PIECE // (n_rows * n_times), _FEWEST_UNITS)
    for start in range(0, n_units, size):
        yield block[:, start : start + size]


def _centred(
    sums: Float64[np.ndarray, "cell unit time_bin"], cells: Presentations, device: torch.device
) -> Float64[Tensor, "time_bin cell unit"]:
    """Sums over presentations less their common mean, which would cost digits of differences."""
    common = sums.sum(axis=0) / len(cells.rows)
    require_finite(common)
    counts = torch.from_numpy(cells.counts.astype(np.float64))[:, None, None].to(device)
    found = torch.from_numpy(sums).to(device)
    found.addcmul_(counts, torch.from_numpy(common).to(device), value=-1)
    return found.permute(2, 0, 1).contiguous()
