"""Units that are whole feature maps."""

import math
from typing import Final

import numpy as np
import xarray as xr
from jaxtyping import Int

from neurorec.assemblies import NEUROID

#: Coordinates of a unit, from the slowest to the fastest.
GRID: Final = ("channel", "row", "col")


def grid_shape(
    assembly: xr.DataArray,
) -> tuple[tuple[int, int, int], Int[np.ndarray, " unit"]]:
    """Channels, rows and columns of an assembly of whole feature maps.

    Returns
    -------
    shape
        For :class:`Factorised`.
    order
        ``assembly.isel(neuroid=order)`` has its units in the order of a flattened array of that
        shape, with channels, rows and columns ascending.

    Raises
    ------
    ValueError
        If coordinates are missing, or there is not exactly one unit at every place.
    """
    missing = [name for name in GRID if name not in assembly.coords]
    if missing:
        raise ValueError(
            f"units have no coordinates {missing} on {NEUROID!r}; record an area whose units have "
            "positions, and all of them"
        )
    places = [np.unique(assembly[name].values, return_inverse=True) for name in GRID]
    shape = (len(places[0][0]), len(places[1][0]), len(places[2][0]))
    flat = np.ravel_multi_index([inverse.ravel() for _, inverse in places], shape)
    counts = np.bincount(flat, minlength=math.prod(shape))
    if not np.all(counts == 1):
        raise ValueError(
            f"{len(flat)} units are no full grid of {shape[0]} channels, {shape[1]} rows and "
            f"{shape[2]} columns: {np.sum(counts == 0)} places are empty and "
            f"{np.sum(counts > 1)} are taken more than once; record all units of one area"
        )
    return shape, np.argsort(flat).astype(np.int64)
