"""How a measure depends on the numbers of stimuli and of units."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION
from neurorec.dimensionality.measures import MEASURES, NEED_REPETITIONS, NEED_UNITS
from neurorec.dimensionality.unit_subsets import n_units, unit_subsets
from neurorec.populations import Patterns, patterns_of

_Measure = Callable[[Patterns], xr.DataArray]

_FEWEST: Final = 3


def size_curve(
    source: Any,
    measure: str | _Measure = "participation_ratio",
    *,
    n_stimuli: Sequence[int] | None = None,
    n_neuroids: Sequence[int] | None = None,
    n_draws: int = 100,
    seed: int | np.random.Generator = 0,
    averaged: bool = True,
    undefined: str = "raise",
    memory_bytes: int = 2**30,
    device: str = "cpu",
) -> xr.Dataset:
    """A measure of random subsets of the stimuli, of the units, or of both, for each time bin.

    Populations of different size are compared where their curves have the same numbers.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); without
        ``n_neuroids`` also patterns that were read before.
    measure
        A name of ``MEASURES`` that does not read single units, or a function of ``Patterns`` that
        gives one number per time bin.
    n_stimuli
        Numbers of stimuli; with neither numbers, half of them and all of them.
    n_neuroids
        Numbers of units. With both numbers, every pair of them.
    n_draws
        Subsets of each size, drawn without replacement; one where a size takes all there is. Draws
        of units are the first of a random order, so that those of different size are nested.
    averaged
        For a ``measure`` that is a function: whether rows are means over repetitions.
    undefined
        For a ``measure`` by name.
    memory_bytes
        Of inner products of subsets of units that are held at once; the units are read once for
        as many draws as fit.

    Returns
    -------
    xr.Dataset
        The measure, by the name that was given or its own, (n_neuroids, n_stimuli, time_bin), of
        which only the numbers that were asked for are dimensions: the mean over subsets. ``spread``
        is their standard deviation, over subsets of these stimuli or units, which overlap: it says
        nothing of other stimuli or units and vanishes for all of them.

    Raises
    ------
    ValueError
        If a number is out of range, or as the measure.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    function, averaged = _function(measure, averaged, undefined, device)
    rng = np.random.default_rng(seed)
    if n_neuroids is None:
        whole = patterns_of(source, averaged=averaged, device=device)
        units, n_all = [whole.n_neuroids], whole.n_neuroids
        draws: Iterator[dict[int, Patterns]] = iter([{n_all: whole}])
    else:
        units, n_all = list(n_neuroids), n_units(source)
        options: dict[str, Any] = {"n_draws": n_draws, "averaged": averaged, "device": device}
        draws = unit_subsets(source, units, memory_bytes=memory_bytes, rng=rng, **options)
    values: dict[tuple[int, int], list[xr.DataArray]] = {}
    subsets: dict[int, list[np.ndarray]] = {}
    for draw, by_size in enumerate(draws):
        for size, patterns in by_size.items():
            subsets = subsets or _subsets(patterns, n_stimuli, n_neuroids is None, n_draws, rng)
            for n, chosen in subsets.items():
                for one in _of_draw(chosen, draw, every=size == n_all):
                    values.setdefault((size, n), []).append(function(_only(patterns, one)))
    found = _dataset(values, units, list(subsets), measure if isinstance(measure, str) else None)
    found = found.assign_attrs(n_draws=n_draws)
    if n_neuroids is None:
        return found.isel(n_neuroids=0, drop=True)
    return found.isel(n_stimuli=0, drop=True) if n_stimuli is None else found


def _function(
    measure: str | _Measure, averaged: bool, undefined: str, device: str
) -> tuple[_Measure, bool]:
    """What is computed of each subset, and whether of means."""
    if not isinstance(measure, str):
        return measure, averaged
    check_option("measure", measure, MEASURES)
    if measure in NEED_UNITS:
        raise ValueError(
            f"{measure} reads single units and a curve is made of inner products; take one of "
            f"{sorted(set(MEASURES) - NEED_UNITS)}"
        )
    function = partial(MEASURES[measure], undefined=undefined, device=device)
    return function, measure not in NEED_REPETITIONS


def _subsets(
    patterns: Patterns,
    n_stimuli: Sequence[int] | None,
    halve: bool,
    n_draws: int,
    rng: np.random.Generator,
) -> dict[int, list[np.ndarray]]:
    """Numbers of the stimuli in each draw, by how many they are."""
    n_all = len(set(patterns.stimulus_ids))
    default = [max(_FEWEST, n_all // 2), n_all] if halve else [n_all]
    sizes = sorted(set(default if n_stimuli is None else n_stimuli))
    if not sizes or sizes[0] < _FEWEST or sizes[-1] > n_all:
        raise ValueError(
            f"n_stimuli must lie between {_FEWEST} and the {n_all} stimuli, got {sizes}"
        )
    return {
        n: [np.arange(n_all)]
        if n == n_all
        else [rng.choice(n_all, n, replace=False) for _ in range(n_draws)]
        for n in sizes
    }


def _of_draw(chosen: list[np.ndarray], draw: int, *, every: bool) -> list[np.ndarray]:
    """Subsets of stimuli for one subset of units: all where that is all units, otherwise one."""
    return chosen if every else [chosen[draw % len(chosen)]]


def _only(patterns: Patterns, chosen: np.ndarray) -> Patterns:
    """Patterns of some of the stimuli, with all their presentations."""
    _, stimulus = np.unique(patterns.stimulus_ids, return_inverse=True)
    rows = np.flatnonzero(np.isin(stimulus.ravel(), chosen))
    if len(rows) == patterns.n_rows:
        return patterns
    take = torch.from_numpy(rows).to(patterns.products.device)
    return replace(
        patterns,
        products=patterns.products[:, take[:, None], take],
        sums=patterns.sums[:, take],
        labels=patterns.labels.isel({PRESENTATION: rows}),
    )


def _dataset(
    values: dict[tuple[int, int], list[xr.DataArray]],
    units: list[int],
    stimuli: list[int],
    name: str | None,
) -> xr.Dataset:
    """Mean and spread over draws (n_neuroids, n_stimuli, time_bin)."""
    first = values[units[0], stimuli[0]][0]
    draws = [[np.stack([d.values for d in values[m, n]]) for n in stimuli] for m in units]
    dims = ("n_neuroids", "n_stimuli", *first.dims)
    attrs = {"units": first.attrs.get("units", "")}
    named = {
        name or str(first.name or "value"): [[d.mean(axis=0) for d in row] for row in draws],
        "spread": [[d.std(axis=0) for d in row] for row in draws],
    }
    own = {k: v for k, v in first.attrs.items() if k not in ("units", "n_stimuli", "n_neuroids")}
    return xr.Dataset(
        {name: (dims, np.array(one), attrs) for name, one in named.items()},
        coords=dict(first.coords) | {"n_neuroids": units, "n_stimuli": stimuli},
        attrs=own,
    )
