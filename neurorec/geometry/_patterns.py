"""Response patterns of stimuli, checked, and the labels that results take over from them."""

from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN, average_repetitions, check

#: What to do where a measure is undefined: stop, or leave NaN there and count it in ``attrs``.
UNDEFINED: Final = ("raise", "nan")

CONDITION: Final = "condition"
CONDITION_B: Final = "condition_b"

# What a result says of where its activity came from.
_INHERITED = ("identifier", "provenance", "data_set", "source_commit")

# Columns that say nothing once repetitions are averaged.
_PER_PRESENTATION = ("repetition",)


def one_per_stimulus(assembly: xr.DataArray, *, at_least: int) -> xr.DataArray:
    """``assembly`` with repetitions averaged; untouched, and still lazy, if there are none.

    Raises
    ------
    ValueError
        If there are fewer than ``at_least`` stimuli.
    """
    assembly = check(assembly)
    n_stimuli = len(np.unique(assembly["stimulus_id"].values))
    if n_stimuli < at_least:
        raise ValueError(
            f"expected at least {at_least} stimuli, got {n_stimuli} "
            f"({assembly.sizes[PRESENTATION]} presentations); add stimuli"
        )
    if n_stimuli == assembly.sizes[PRESENTATION]:
        return assembly
    return average_repetitions(assembly)


def pattern_sums(patterns: xr.DataArray, *, block: int) -> Float64[np.ndarray, "time_bin stimulus"]:
    """Sum of each pattern over neuroids, ``block`` neuroids at a time."""
    total = np.zeros((patterns.sizes[PRESENTATION], patterns.sizes[TIME_BIN]))
    for start in range(0, patterns.sizes[NEUROID], block):
        total += patterns[:, start : start + block].values.sum(axis=1, dtype=np.float64)
    return np.ascontiguousarray(total.T)


def condition_coords(patterns: xr.DataArray) -> dict[str, Any]:
    """The stimulus columns of an assembly, on the dimension ``condition``."""
    return {
        str(name): (CONDITION, coordinate.values)
        for name, coordinate in patterns.coords.items()
        if coordinate.dims == (PRESENTATION,) and name not in _PER_PRESENTATION
    }


def time_coords(patterns: xr.DataArray, *, suffix: str = "") -> dict[str, Any]:
    """The coordinates of ``time_bin``; with a suffix, for a second axis of time."""
    return {
        f"{name}{suffix}": (f"{TIME_BIN}{suffix}", coordinate.values, dict(coordinate.attrs))
        for name, coordinate in patterns.coords.items()
        if coordinate.dims == (TIME_BIN,)
    }


def result_attrs(source: xr.DataArray, **own: Any) -> dict[str, Any]:
    """``own``, with the provenance of ``source`` where it has one."""
    inherited = {
        name: source.attrs[name] for name in _INHERITED if isinstance(source.attrs.get(name), str)
    }
    return inherited | own


def describe_bins(undefined: np.ndarray) -> str:
    """Which time bins are undefined, and from where on all are defined."""
    bins = np.flatnonzero(undefined)
    shown = ", ".join(str(i) for i in bins[:5]) + (", ..." if len(bins) > 5 else "")
    last = int(bins[-1])
    remedy = (
        f"keep assembly.isel(time_bin=slice({last + 1}, None))"
        if last + 1 < len(undefined)
        else "keep the other time bins"
    )
    return f'time bins {shown} ({len(bins)} of {len(undefined)}); {remedy} or give undefined="nan"'
