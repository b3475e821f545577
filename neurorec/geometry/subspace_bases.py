"""Leading subspaces of a population in each time bin, in the space of units or of stimuli."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec.assemblies import PRESENTATION
from neurorec.gram import centre
from neurorec.populations import Patterns, Population, as_population, patterns_of
from neurorec.populations.labels import describe_bins
from neurorec.populations.rows import rows_of

# Directions with a smaller share of the largest variance are rounding.
_RANK_SHARE = 1e-10
# The same for the variance itself, of the mean square.
_CONSTANT_SHARE = 1e-12


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Bases:
    """Orthonormal bases of leading subspaces.

    Parameters
    ----------
    vectors
        Columns; NaN in time bins that do not span so many dimensions.
    variances
        Sums of squares along all principal directions, largest first.
    patterns
        What they are of.
    """

    vectors: Float64[Tensor, "time_bin axis component"]
    variances: Float64[Tensor, "time_bin row"]
    patterns: Patterns


def stimulus_bases(source: Any, n_components: int, *, undefined: str, device: str = "cpu") -> Bases:
    """Leading left singular vectors of the responses (stimulus, unit) about their mean."""
    patterns = patterns_of(source, device=device)
    variances, vectors = _spectrum(patterns)
    lacking = _lacking(patterns, variances, n_components, undefined)
    kept = vectors[:, :, :n_components].clone()
    kept[lacking] = torch.nan
    return Bases(vectors=kept, variances=variances, patterns=patterns)


def unit_bases(
    population: Population,
    patterns: Patterns,
    n_components: int,
    *,
    undefined: str,
) -> Bases:
    """Principal directions in the space of units, from a second pass over them.

    With ``A`` the leading eigenvectors of the centred Gram matrix over the roots of their
    eigenvalues, they are ``X' A``.
    """
    variances, vectors = _spectrum(patterns)
    lacking = _lacking(patterns, variances, n_components, undefined)
    scale = variances[:, None, :n_components].clamp(min=1e-300).sqrt()
    weights = vectors[:, :, :n_components] / scale
    parts = [
        torch.einsum("tnu,tnk->tuk", block.to(weights.device), weights)
        for block in centred_blocks(population, patterns)
    ]
    directions = torch.cat(parts, dim=1)
    directions[lacking] = 0
    # What rounding has left of an angle between directions of very different variance.
    directions = torch.linalg.qr(directions).Q
    directions[lacking] = torch.nan
    return Bases(vectors=directions, variances=variances, patterns=patterns)


def population_of(source: Any) -> Population:
    """The units themselves.

    Raises
    ------
    ValueError
        If only inner products are given.
    """
    if isinstance(source, Patterns):
        raise ValueError(
            "subspaces of units need the units, and these are inner products of stimuli; give the "
            'assembly or area, or ask for space="stimuli"'
        )
    return as_population(source)


def centred_blocks(
    population: Population, patterns: Patterns
) -> Iterator[Float64[Tensor, "time_bin row unit"]]:
    """Mean responses of some units at a time, about each unit's mean over stimuli."""
    labels = population.labels
    stimulus_ids = patterns.labels["stimulus_id"].values
    averaged = labels.sizes[PRESENTATION] != len(stimulus_ids)
    rows = (
        rows_of(
            labels["stimulus_id"].values, labels["repetition"].values, stimulus_ids, halves=False
        )
        if averaged
        else None
    )
    for block in population.blocks(range(population.n_times)):
        values = np.array(block if rows is None else rows.mean(block), dtype=np.float64)
        values -= values.mean(axis=0)
        yield torch.from_numpy(values).permute(2, 0, 1)


def unit_order(first: Population, second: Population) -> np.ndarray:
    """Positions in the first population of the units of the second.

    Raises
    ------
    ValueError
        If they do not have the same units.
    """
    ids, ids_b = (_unit_ids(p.units()) for p in (first, second))
    if sorted(ids) != sorted(ids_b):
        raise ValueError(
            f"the populations have different units: {len(ids)} in the first, {len(ids_b)} in the "
            f"second, {len(set(ids) & set(ids_b))} in both; select those of both, or compare "
            'what they say of the same stimuli with space="stimuli"'
        )
    position = {identifier: i for i, identifier in enumerate(ids)}
    return np.array([position[identifier] for identifier in ids_b])


def _unit_ids(units: xr.DataArray) -> list[str]:
    return [str(i) for i in units["neuroid_id"].values]


def _spectrum(
    patterns: Patterns,
) -> tuple[Float64[Tensor, "time_bin row"], Float64[Tensor, "time_bin row row"]]:
    values, vectors = torch.linalg.eigh(centre(patterns.products))
    return values.flip(-1).clamp(min=0), vectors.flip(-1)


def _lacking(
    patterns: Patterns,
    variances: Float64[Tensor, "time_bin row"],
    n_components: int,
    undefined: str,
) -> Tensor:
    """Time bins in which responses span fewer dimensions."""
    if n_components < 1 or n_components >= patterns.n_rows:
        raise ValueError(
            f"n_components must lie between 1 and {patterns.n_rows - 1}, as many as "
            f"{patterns.n_rows} stimuli span about their mean, got {n_components}"
        )
    squares = patterns.products.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    least = torch.maximum(_RANK_SHARE * variances[:, 0], _CONSTANT_SHARE * squares)
    lacking = variances[:, n_components - 1] <= least
    if lacking.any() and undefined == "raise":
        raise ValueError(
            f"responses span fewer than n_components={n_components} dimensions in "
            + describe_bins(np.asarray(lacking.cpu()))
        )
    return lacking
