"""The labels that results take over from the responses they are of."""

from typing import Any, Final

import numpy as np
import xarray as xr

from neurorec.assemblies import PRESENTATION, TIME_BIN

#: What to do where a measure is undefined: stop, or leave NaN there and count it in ``attrs``.
UNDEFINED: Final = ("raise", "nan")

CONDITION: Final = "condition"
CONDITION_B: Final = "condition_b"

# What a result says of where its activity came from.
_INHERITED = ("identifier", "provenance", "data_set", "source_commit")

# Columns that say nothing once repetitions are averaged.
_PER_PRESENTATION = ("repetition",)


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
