"""The populations that one call of :func:`neurorec.geometry.over_time` is about."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID
from neurorec.populations import Patterns, StreamedArea


@runtime_checkable
class Recorded(Protocol):
    """Several areas, such as a recording; its attribute ``areas``, if any, names them all."""

    def area(self, name: str) -> StreamedArea:
        """One of them."""
        ...


def areas_of(source: Any, area: str | Sequence[str] | None) -> dict[str | None, Any]:
    """Populations by the name of their area; None where there is one that is not named.

    Raises
    ------
    ValueError
        If an area is unknown, or named of something that has none; if a recording of several
        areas comes without a name.
    """
    # Before Recorded: attributes of an assembly are its coordinates, ``area`` perhaps among them.
    if isinstance(source, xr.DataArray):
        return _regions(source, area)
    if isinstance(source, np.ndarray | Tensor | Patterns | StreamedArea):
        if area is not None:
            raise ValueError(
                f"area={area!r} names an area of a recording or a region of an assembly, and a "
                f"{type(source).__name__} is one population; leave area out"
            )
        return {None: source}
    if not isinstance(source, Recorded):
        raise ValueError(
            "expected a recording, an assembly, an area of a recording, an array (stimulus, unit, "
            f"timestep) or a mapping of such by the name of the model, got {type(source).__name__}"
        )
    return {name: source.area(name) for name in _names(area, getattr(source, "areas", ()))}


def _regions(assembly: xr.DataArray, area: str | Sequence[str] | None) -> dict[str | None, Any]:
    if area is None:
        return {None: assembly}
    regions = assembly["region"].values
    present = sorted({str(region) for region in regions})
    names = [check_option("area", name, present) for name in _names(area, present)]
    return {name: assembly.isel({NEUROID: np.flatnonzero(regions == name)}) for name in names}


def _names(area: str | Sequence[str] | None, present: Sequence[str]) -> list[str]:
    names = [area] if isinstance(area, str) else list(present if area is None else area)
    if not names:
        raise ValueError('name at least one area, such as area="IT"; got none')
    if len(set(names)) < len(names):
        raise ValueError(f"an area is named twice: {names}; name each once")
    return names


def provenance_of(source: Any, populations: Mapping[str | None, Any]) -> Any:
    """What is known of where activity comes from, as JSON can hold it."""
    stated = getattr(source, "provenance", None)
    path = getattr(source, "path", None)
    if isinstance(stated, Mapping):
        return dict(stated) | ({} if path is None else {"recording": str(path)})
    attrs = next(iter(populations.values())).attrs if isinstance(source, xr.DataArray) else {}
    names = ("provenance", "recording", "identifier")
    return next((attrs[name] for name in names if name in attrs), type(source).__name__)
