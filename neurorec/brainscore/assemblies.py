"""Assemblies across the border: ours carry plain coordinates, BrainIO's a MultiIndex per dimension.

The MultiIndex is made and unmade here and nowhere else.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from neurorec import assemblies
from neurorec.assemblies import PRESENTATION, TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore

import_brainscore()

from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
    NeuroidAssembly,
)

TIME_BIN_LIMITS: Final = ("time_bin_start", "time_bin_end")

#: Start and end of a time bin, in ms from stimulus onset.
Limits = tuple[int | float, int | float]

#: Attribute that holds, as JSON, what no MultiIndex can: the attributes of labels, and the names
#: of those of a time bin, which a selection of one bin forgets.
KEPT: Final = "neurorec_labels"
_MS: Final = MappingProxyType({"units": "ms"})


def to_brainio(assembly: xr.DataArray) -> NeuroidAssembly:
    """Assembly as Brain-Score's metrics and benchmarks take it, values and labels unchanged.

    Every coordinate becomes a level of its dimension's MultiIndex, the limits of time bins first,
    where Brain-Score looks for them. What a MultiIndex cannot hold goes along in the attribute
    ``neurorec_labels``. Brain-Score's static metrics want two dimensions:
    ``to_brainio(assembly).isel(time_bin=0, drop=True)``.

    Raises
    ------
    ValueError
        If ``assembly`` is none, see :func:`neurorec.assemblies.check`, or a coordinate is of a kind
        that no MultiIndex takes.
    """
    assembly = _limits_first(_indexable(assemblies.check(assembly)))
    return NeuroidAssembly(assembly.assign_attrs(_unheld(assembly)))


def from_brainio(assembly: DataAssembly, *, time_bin_ms: Limits | None = None) -> xr.DataArray:
    """Plain assembly of a BrainIO one; the inverse of :func:`to_brainio`.

    Presentations without a ``repetition`` are numbered in the order in which their stimulus
    appears. The stimulus set that Brain-Score hangs on an assembly is left behind; see
    :func:`~neurorec.brainscore.neural_data`, which takes it along.

    Parameters
    ----------
    time_bin_ms
        Start and end, in ms from stimulus onset, of the one time bin of an assembly that has lost
        its dimension ``time_bin`` and no longer says when it was recorded.

    Raises
    ------
    ValueError
        If the time bin of a two-dimensional assembly is unknown, or given and known to be another,
        or a label that every assembly needs is missing.
    """
    plain = _without_multi_indexes(xr.DataArray(assembly))
    kept = json.loads(plain.attrs.get(KEPT, "{}"))
    if TIME_BIN not in plain.dims:
        plain = _with_time_bin(plain, time_bin_ms, kept.get(TIME_BIN, TIME_BIN_LIMITS))
    elif time_bin_ms is not None:
        raise ValueError(
            f"time_bin_ms={time_bin_ms} was given for an assembly that has {plain.sizes[TIME_BIN]} "
            "time bins of its own; leave it out"
        )
    if "repetition" not in plain.coords and "stimulus_id" in plain.coords:
        occurrence = _occurrence(plain["stimulus_id"].values)
        plain = plain.assign_coords(repetition=(PRESENTATION, occurrence))
    attrs = kept.get("attrs", {})
    plain = plain.assign_coords({name: _tidy(plain[name], attrs) for name in plain.coords})
    plain.attrs = {
        name: value
        for name, value in plain.attrs.items()
        if name != KEPT and not isinstance(value, pd.DataFrame)
    }
    return assemblies.check(plain)


def _indexable(assembly: xr.DataArray) -> xr.DataArray:
    """Return ``assembly`` if a MultiIndex of pandas keeps all its labels."""
    for name in assembly.coords:
        if name in assembly.dims:
            raise ValueError(
                f"the assembly has a coordinate of the name of its dimension {name!r}, which is "
                f"that of the MultiIndex in Brain-Score; rename it, or drop_vars({name!r})"
            )
        if assembly[name].dtype == np.float16:
            raise ValueError(
                f"coordinate {name!r} is float16, of which pandas makes no index; make it float32"
            )
    return assembly


def _limits_first(assembly: xr.DataArray) -> xr.DataArray:
    others = [n for n in columns_of(assembly, TIME_BIN) if n not in TIME_BIN_LIMITS]
    names = (*TIME_BIN_LIMITS, *others)
    labels = {name: assembly[name].variable for name in names}
    return assembly.drop_vars(names).assign_coords(labels)


def _unheld(assembly: xr.DataArray) -> dict[str, str]:
    """What a MultiIndex loses of the labels of ``assembly``, if it is more than the usual."""
    attrs = {name: x.attrs for name, x in assembly.coords.items() if x.attrs != _usual(name)}
    names = list(columns_of(assembly, TIME_BIN))
    lost: dict[str, Any] = {"attrs": attrs} if attrs else {}
    if len(names) > len(TIME_BIN_LIMITS):
        lost[TIME_BIN] = names
    return {KEPT: json.dumps(lost, default=_plain)} if lost else {}


def _usual(name: Hashable) -> Mapping[str, str]:
    return _MS if name in TIME_BIN_LIMITS else {}


def _plain(value: Any) -> Any:
    """Numbers of numpy as JSON has them, anything else as text."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def _without_multi_indexes(assembly: xr.DataArray) -> xr.DataArray:
    indexed = [d for d in assembly.dims if isinstance(assembly.indexes.get(d), pd.MultiIndex)]
    return assembly.reset_index(indexed) if indexed else assembly


def _with_time_bin(
    assembly: xr.DataArray, time_bin_ms: Limits | None, names: Sequence[str]
) -> xr.DataArray:
    """``assembly`` with a dimension of one time bin, from its own scalar labels or as given."""
    labels = _scalar_labels(assembly, names)
    known = tuple(float(labels[name]) for name in TIME_BIN_LIMITS if name in labels)
    if time_bin_ms is not None:
        if known and known != time_bin_ms:
            raise ValueError(
                f"time_bin_ms={time_bin_ms} was given for an assembly of the time bin {known}; "
                "leave it out"
            )
        labels |= dict(zip(TIME_BIN_LIMITS, map(float, time_bin_ms), strict=True))
    elif not known:
        raise ValueError(
            f"the assembly has dimensions {tuple(assembly.dims)} and does not say when it was "
            "recorded; pass time_bin_ms=(start, end)"
        )
    scalars = [name for name in (*labels, TIME_BIN) if name in assembly.coords]
    coords = {name: (TIME_BIN, [value]) for name, value in labels.items()}
    rest = assembly.drop_vars(scalars)
    # expand_dims would make numbers that torch, which takes none that are read-only, has to copy.
    return xr.DataArray(
        rest.values[..., np.newaxis],
        coords=dict(rest.coords) | coords,
        dims=(*rest.dims, TIME_BIN),
        name=rest.name,
        attrs=rest.attrs,
    )


def _scalar_labels(assembly: xr.DataArray, names: Sequence[str]) -> dict[str, Any]:
    """Labels of the one time bin that a selection or a squeeze has left as scalars."""
    if all(name in assembly.coords for name in TIME_BIN_LIMITS):
        return {name: assembly[name].item() for name in names if name in assembly.coords}
    if TIME_BIN not in assembly.coords:
        return {}
    entry = assembly[TIME_BIN].item()  # of the MultiIndex, without the names of its levels
    if len(entry) != len(names):
        raise ValueError(
            f"the one time bin of the assembly has the labels {entry} without their names; select "
            "it with drop=True and pass time_bin_ms=(start, end)"
        )
    # Two limits of unknown order are no riddle: a time bin starts before it ends.
    return dict(zip(names, sorted(entry) if len(entry) == 2 else entry, strict=True))


def _tidy(coordinate: xr.DataArray, attrs: Mapping[str, Any]) -> tuple:
    """Strings as strings (a MultiIndex keeps objects), with the attributes it had before."""
    values = coordinate.values
    for kind in (str, bytes):
        if values.dtype == object and all(isinstance(value, kind) for value in values.flat):
            values = values.astype(kind)
    usual = _usual(coordinate.name) or coordinate.attrs
    return coordinate.dims, values, attrs.get(str(coordinate.name), dict(usual))


def _occurrence(identifiers: np.ndarray) -> np.ndarray:
    """How often each identifier has come before."""
    return pd.Series(identifiers).groupby(identifiers).cumcount().to_numpy(dtype=np.int64)
