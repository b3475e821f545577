"""Inner products of random subsets of the units, many from one pass."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.assemblies import PRESENTATION, average_repetitions
from neurorec.gram import resolve_device
from neurorec.populations import Patterns, Population, as_population, rounding_of
from neurorec.populations.rows import Rows, rows_of


def unit_subsets(
    source: Any,
    sizes: Sequence[int],
    *,
    n_draws: int,
    averaged: bool,
    memory_bytes: int,
    rng: np.random.Generator,
    device: str,
) -> Iterator[dict[int, Patterns]]:
    """Patterns of random subsets of units by their number, draw by draw.

    A draw is a random order of the units, of which the subsets are the first ones: each holds the
    smaller ones. All units are in the first draw only. As many draws share a pass over the units
    as ``memory_bytes`` of inner products allow, and at least one.

    Raises
    ------
    ValueError
        If ``source`` was read already, a number of units is out of range, or activity is not
        finite.
    """
    n_neuroids = n_units(source)
    population = as_population(source)
    if not sizes or min(sizes) < 1 or max(sizes) > n_neuroids:
        raise ValueError(
            f"n_neuroids must lie between 1 and the {n_neuroids} units, got {list(sizes)}"
        )
    labels, rows = _rows(population, averaged)
    wanted = sorted(set(sizes))
    places = [np.argsort(rng.permutation(n_neuroids)) for _ in range(n_draws)]
    one = 8 * len(wanted) * population.n_times * labels.sizes[PRESENTATION] ** 2
    per_pass = max(1, memory_bytes // max(one, 1))
    for start in range(0, n_draws, per_pass):
        some = places[start : start + per_pass]
        products, sums = _read(population, labels, rows, wanted, some, start == 0, device)
        for draw in range(len(some)):
            reached = [m for m in wanted if m < n_neuroids or start + draw == 0]
            yield {
                m: Patterns(
                    products=inner,
                    sums=sums[draw, : i + 1].sum(dim=0),
                    n_neuroids=m,
                    labels=labels,
                    rounding=rounding_of(inner),
                )
                for i, m in enumerate(reached)
                for inner in [products[draw, : i + 1].sum(dim=0)]
            }


def n_units(source: Any) -> int:
    """Number of units that can be chosen from.

    Raises
    ------
    ValueError
        If ``source`` was read already.
    """
    if isinstance(source, Patterns):
        raise ValueError(
            "subsets of units need single units and these inner products hold none; give the "
            "assembly, the area or the array"
        )
    return as_population(source).n_neuroids


def _rows(population: Population, averaged: bool) -> tuple[xr.DataArray, Rows | None]:
    presentations = population.labels[:, :1]
    identifiers = presentations["stimulus_id"].values
    if not averaged or len(np.unique(identifiers)) == len(identifiers):
        return presentations, None
    labels = average_repetitions(presentations)
    repetitions = presentations["repetition"].values
    return labels, rows_of(identifiers, repetitions, labels["stimulus_id"].values, halves=False)


def _read(
    population: Population,
    labels: xr.DataArray,
    rows: Rows | None,
    sizes: list[int],
    places: list[Int64[np.ndarray, " unit"]],
    has_all: bool,
    device: str,
) -> tuple[
    Float64[Tensor, "draw part time_bin row row"], Float64[Tensor, "draw part time_bin row"]
]:
    """Products of the units between one number of them and the next."""
    target = resolve_device(device)
    shape = (len(places), len(sizes), population.n_times, labels.sizes[PRESENTATION])
    sums = torch.zeros(shape, dtype=torch.float64, device=target)
    products = torch.zeros((*shape, shape[-1]), dtype=torch.float64, device=target)
    start = 0
    for values in population.blocks(range(population.n_times)):
        block = np.asarray(values if rows is None else rows.mean(values), dtype=np.float64)
        if not np.isfinite(block).all():
            raise ValueError(
                "the activity holds NaN or infinite values; drop those units or presentations, or "
                "average repetitions that are missing"
            )
        slab = torch.from_numpy(np.ascontiguousarray(block.transpose(2, 0, 1))).to(target)
        stop = start + slab.shape[2]
        for draw, place in enumerate(places):
            part = np.searchsorted(sizes, place[start:stop], side="right")
            last = len(sizes) if draw == 0 and has_all else np.sum(np.array(sizes) < len(place))
            for i in range(int(last)):
                some = slab[:, :, torch.from_numpy(np.flatnonzero(part == i)).to(target)]
                products[draw, i].baddbmm_(some, some.mT)
                sums[draw, i] += some.sum(dim=2)
        start = stop
    return products, sums
