"""What a panel of geometry over time holds, whatever was measured and of how many populations."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

import numpy as np
import xarray as xr

from neurorec.figures._axes import timestep_label

SERIES: Final = ("model", "area")
TIME: Final = "time_bin"
#: The second axis of a matrix: the times of the population again, or those of a brain.
OTHER_TIMES: Final = ((f"{TIME}_b",), (f"brain_{TIME}",))
#: What is drawn of a measure beside its value.
LIMITS: Final = ("ci_low", "ci_high")
#: Entries of a dimension of a measure's own, such as the subjects of a brain, that have a panel.
_MOST_ENTRIES: Final = 6
_MOST_MATRICES: Final = 3
_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rsa": "RSA",
        "linear_cka": "linear CKA",
        "cka_debiased": "debiased CKA",
        "cka_rbf": "RBF CKA",
        "cca": "CCA",
        "svcca": "SVCCA",
        "pwcca": "PWCCA",
        "n_components": "components",
        "two_nn": "TwoNN dimension",
    }
)
#: Units that the name of a measure says already, or that are none.
_SILENT_UNITS: Final = frozenset({"", "1", "dimensions", "components"})


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A number for each (model, area, time_bin), with its interval where there is one."""

    name: str
    label: str
    values: xr.DataArray
    low: xr.DataArray | None
    high: xr.DataArray | None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Measures of populations over time, with the dimensions (model, area) in front.

    Parameters
    ----------
    models, areas
        Names; one empty name where there is no such dimension.
    curves, matrices, rdms
        Measures by what is drawn: over time, between times, between stimuli.
    left_out
        Measures over time that have more dimensions than can be drawn.
    times
        Of the time bins: timesteps of a model, otherwise their middles in ms.
    in_steps
        Whether they are timesteps.
    """

    models: list[str]
    areas: list[str]
    curves: list[Curve]
    matrices: dict[str, xr.DataArray]
    rdms: dict[str, xr.DataArray]
    left_out: list[str]
    times: np.ndarray
    in_steps: bool
    attrs: dict[str, object]

    @property
    def by_model(self) -> bool:
        """Whether colours are models, and areas have panels of their own."""
        return len(self.models) > 1

    @property
    def populations(self) -> list[tuple[str, str]]:
        """Every (model, area)."""
        return [(model, area) for area in self.areas for model in self.models]

    @property
    def time_label(self) -> str:
        """Label of the axis of time."""
        return timestep_label(self.attrs) if self.in_steps else "time from stimulus onset (ms)"


def panel_of(results: xr.Dataset) -> Panel:
    """Sort the variables of ``results`` by what can be drawn of them.

    Raises
    ------
    ValueError
        If there is no dimension or coordinate of time, or no variable that can be drawn.
    """
    if TIME not in results.dims or "time_bin_start" not in results.coords:
        raise ValueError(
            "geometry_panel needs the dimension 'time_bin' and its coordinate 'time_bin_start'; "
            f"these results have {sorted(map(str, results.dims))}; make them with "
            "neurorec.geometry.over_time"
        )
    full = results
    for dim in reversed(SERIES):
        if dim not in full.dims:
            name = str(full[dim].values) if dim in full.coords else ""
            full = full.drop_vars(dim, errors="ignore").expand_dims({dim: [name]})
    whole = {
        str(n): full[n].transpose(*SERIES, TIME, ...) for n in full.data_vars if _over(full[n])
    }
    named = _names_of(results)
    main = {n: a for n, a in whole.items() if not _is_part(n, whole, named)}
    matrices = {n: a for name in main for n, a in _matrices(name, main[name]).items()}
    rdms = {n: a for n, a in whole.items() if set(a.dims[3:]) == {"condition", "condition_b"}}
    curves = [curve for name in main for curve in _curves(name, whole)]
    drawn = {one.name for one in curves} | set(matrices) | set(rdms)
    left_out = [n for n in main if not any(d == n or d.startswith(f"{n}: ") for d in drawn)]
    if not curves and not matrices and not rdms:
        raise ValueError(
            "geometry_panel found nothing that it can draw over time in the variables "
            f"{sorted(map(str, results.data_vars))}"
        )
    in_steps = "timestep" in full.coords
    middles = (full["time_bin_start"].values + full["time_bin_end"].values) / 2
    return Panel(
        models=[str(name) for name in full["model"].values],
        areas=[str(name) for name in full["area"].values],
        curves=curves,
        matrices=matrices,
        rdms=rdms,
        left_out=left_out,
        times=(full["timestep"].values if in_steps else middles).astype(float),
        in_steps=in_steps,
        attrs={str(name): value for name, value in results.attrs.items()},
    )


def other_times(values: xr.DataArray) -> tuple[np.ndarray, str | None]:
    """Times of the columns of a matrix, and their label where they are not those of its rows."""
    if values.dims[-1] == f"{TIME}_b":
        name = "timestep_b" if "timestep_b" in values.coords else None
        label = None
    else:
        name = "brain_timestep" if "brain_timestep" in values.coords else None
        label = "timestep of the other" if name else "time of the brain (ms)"
    if name is not None:
        return values[name].values.astype(float), label
    starts, ends = (
        values[limit.format(edge)].values
        for edge in ("start", "end")
        for limit in ["time_bin_{}_b" if label is None else "brain_time_bin_{}"]
    )
    return (starts + ends) / 2.0, label


def _over(array: xr.DataArray) -> bool:
    return TIME in array.dims and set(SERIES) <= set(array.dims) and array.dtype.kind == "f"


def label_of(name: str) -> str:
    """A measure, or one of its entries, as a reader names it."""
    measure, colon, entry = name.partition(": ")
    return _LABELS.get(measure, measure.replace("_", " ")) + colon + entry


def with_units(label: str, values: xr.DataArray) -> str:
    """``label`` and what is counted, unless the label says it."""
    units = str(values.attrs.get("units", "1"))
    return label if units in _SILENT_UNITS else f"{label} ({units})"


def _names_of(results: xr.Dataset) -> list[str]:
    """Measures that were asked for."""
    return [name for name in str(results.attrs.get("measures", "")).split(", ") if name]


def _is_part(name: str, whole: Mapping[str, xr.DataArray], named: list[str]) -> bool:
    """Whether it is a limit, a count or the like of another variable, and no measure itself."""
    return name not in named and any(name.startswith(f"{other}_") for other in whole)


def _matrices(name: str, values: xr.DataArray) -> dict[str, xr.DataArray]:
    """Matrices between times; one for each entry of a dimension of the measure's own."""
    own = values.dims[3:]
    if own in OTHER_TIMES:
        return {name: values}
    if len(own) != 2 or own[:1] not in OTHER_TIMES:
        return {}
    entries = _entries(values, own[1])
    if len(entries) == 1:
        return {name: next(iter(entries.values()))}
    if len(entries) > _MOST_MATRICES:
        return {}
    return {f"{name}: {entry}": array for entry, array in entries.items()}


def _entries(values: xr.DataArray, dim: Hashable) -> dict[str, xr.DataArray]:
    """Values by the name of each entry of ``dim``; a number is named with what it counts.

    Measures share a dimension in one Dataset: entries that only another one has are NaN.
    """
    names = values[dim].values.tolist() if dim in values.coords else list(range(values.sizes[dim]))
    what = "" if all(isinstance(name, str) for name in names) else str(dim).replace("_", " ") + " "
    found = {f"{what}{name}": values.isel({dim: i}, drop=True) for i, name in enumerate(names)}
    return {name: array for name, array in found.items() if bool(array.notnull().any())} or found


def _curves(name: str, whole: Mapping[str, xr.DataArray]) -> list[Curve]:
    values = whole[name]
    limits = [whole.get(f"{name}_{limit}") for limit in LIMITS]
    label = label_of(name)
    if "fraction" in values.attrs:
        label += f" for {100 * float(values.attrs['fraction']):g} %"
    own = values.dims[3:]
    if not own:
        label = with_units(label, values)
        return [Curve(name=name, label=label, values=values, low=limits[0], high=limits[1])]
    (dim, *more) = own
    if more or str(dim).startswith(("condition", TIME, f"brain_{TIME}")):
        return []
    entries = _entries(values, dim)
    if len(entries) > _MOST_ENTRIES:
        return []
    low, high = ({} if one is None else _entries(one, dim) for one in limits)
    return [
        Curve(
            name=f"{name}: {entry}",
            label=with_units(f"{label}: {entry}", values),
            values=array,
            low=low.get(entry),
            high=high.get(entry),
        )
        for entry, array in entries.items()
    ]
