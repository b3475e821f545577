"""Two populations, or one with itself, as the measures between their time bins see them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.gram import centre
from neurorec.populations import Patterns, matched, patterns_of
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs, time_coords

# Below this share of the Gram matrix's own norm a centred one is rounding error.
_CONSTANT_SHARE = 1e-12

# Numbers of all matrices that are decomposed at once; as float64 128 MiB.
_BATCH: Final = 2**24

Kernels = Float64[Tensor, "time_bin stimulus stimulus"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One population.

    Parameters
    ----------
    patterns
        What was read.
    kernels
        Gram matrices of the patterns less their mean over stimuli.
    undefined
        Time bins without a result.
    """

    patterns: Patterns
    kernels: Kernels
    undefined: Bool[Tensor, " time_bin"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two populations with the same stimuli; ``alone`` where the second is the first."""

    first: Side
    second: Side
    alone: bool

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli."""
        return self.first.patterns.n_rows

    def sides(self) -> tuple[Side, ...]:
        """Populations that differ."""
        return (self.first,) if self.alone else (self.first, self.second)


def pair_of(
    source: Any,
    other: Any,
    *,
    quantity: str,
    undefined: str,
    device: str,
    at_least: int = 3,
) -> Pair:
    """Read one or two populations and centre them over stimuli.

    Raises
    ------
    ValueError
        If there are too few stimuli, one time bin and no second population, stimuli differ, or,
        with ``undefined="raise"``, all stimuli evoke the same in a time bin.
    """
    check_option("undefined", undefined, UNDEFINED)
    first = patterns_of(source, at_least=at_least, device=device)
    if other is None:
        require_two_bins(first, quantity)
    one = _side(first, quantity, undefined)
    if other is None:
        return Pair(first=one, second=one, alone=True)
    second = matched(first, patterns_of(other, at_least=at_least, device=device))
    return Pair(first=one, second=_side(second, quantity, undefined), alone=False)


def require_two_bins(patterns: Patterns, quantity: str) -> None:
    """Refuse to compare a single time bin with itself.

    Raises
    ------
    ValueError
        If there is only one.
    """
    if len(patterns.products) < 2:
        raise ValueError(
            f"{quantity} between time bins needs at least 2 of them, got 1; give a second "
            "population as `other`, or an assembly with a time axis"
        )


def _side(patterns: Patterns, quantity: str, undefined: str) -> Side:
    raw = patterns.products
    kernels = centre(raw)
    flat = torch.linalg.matrix_norm(kernels) <= _CONSTANT_SHARE * torch.linalg.matrix_norm(raw)
    require_defined_bins(
        flat, undefined, f"{quantity} is undefined where all stimuli evoke the same response"
    )
    return Side(patterns=patterns, kernels=kernels, undefined=flat)


def require_defined_bins(
    mask: Bool[Tensor, " time_bin"], undefined: str, sentence: str
) -> Bool[Tensor, " time_bin"]:
    """Return ``mask``, or raise where it holds and NaN was not asked for.

    Raises
    ------
    ValueError
        With ``sentence`` and the time bins.
    """
    if undefined == "raise" and bool(mask.any()):
        raise ValueError(f"{sentence}, as in " + describe_bins(np.asarray(mask.cpu())))
    return mask


def over_pairs(
    measure: Callable[[Int[Tensor, " pair"], Int[Tensor, " pair"]], Float64[Tensor, " pair"]],
    pair: Pair,
    *,
    numbers: int,
    identity: float | None = None,
) -> Float64[Tensor, "time_bin time_bin_b"]:
    """A measure of every time bin with every other, in batches.

    Parameters
    ----------
    measure
        Function of the positions of time bins in the first and in the second population.
    numbers
        Numbers of the largest array of one pair.
    identity
        Value of a time bin with itself. Where it is known the measure is symmetric, and one
        population with itself takes half the time.
    """
    like = pair.first.kernels
    n, n_b = len(like), len(pair.second.kernels)
    mirrored = pair.alone and identity is not None
    every = torch.ones(n, n_b, dtype=torch.bool, device=like.device)
    rows, columns = (every.triu(1) if mirrored else every).nonzero(as_tuple=True)
    values = like.new_zeros(n, n_b)
    for part in batches(len(rows), numbers):
        values[rows[part], columns[part]] = measure(rows[part], columns[part])
    if not mirrored:
        return values
    values = values + values.mT
    values.fill_diagonal_(float(identity or 0.0))
    return values


def batches(count: int, numbers: int) -> Iterator[slice]:
    """Consecutive parts of ``count`` matrices of so many numbers, bounded in memory."""
    size = max(_BATCH // max(numbers, 1), 1)
    for start in range(0, count, size):
        yield slice(start, start + size)


def labelled(
    pair: Pair,
    values: Float64[Tensor, "time_bin time_bin_b"],
    *,
    name: str,
    method: str,
    units: str,
    kind: str,
    **attrs: Any,
) -> xr.DataArray:
    """The result, NaN in time bins that are undefined."""
    hidden = pair.first.undefined[:, None] | pair.second.undefined
    first, second = pair.first.patterns, pair.second.patterns
    return xr.DataArray(
        values.masked_fill(hidden, torch.nan).cpu().numpy(),
        dims=(TIME_BIN, f"{TIME_BIN}_b"),
        coords=time_coords(first.labels) | time_coords(second.labels, suffix="_b"),
        attrs=result_attrs(
            first.labels,
            method=method,
            units=units,
            kind=kind,
            n_stimuli=pair.n_stimuli,
            n_neuroids=first.n_neuroids,
            n_neuroids_b=second.n_neuroids,
            **attrs,
        ),
        name=name,
    )
