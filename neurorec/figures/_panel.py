"""What a panel of geometry over time holds, whatever was measured and of how many populations."""

from collections.abc import Mapping
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
_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {"rsa": "RSA", "linear_cka": "linear CKA", "n_components": "components"}
)


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
    matrices = {
        n: a for n, a in whole.items() if a.dims[3:] in OTHER_TIMES and not _is_part(n, whole)
    }
    rdms = {n: a for n, a in whole.items() if set(a.dims[3:]) == {"condition", "condition_b"}}
    curves = [
        curve for name in whole if not _is_part(name, whole) for curve in _curves(name, whole)
    ]
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
    """A measure as a reader names it."""
    return _LABELS.get(name, name.replace("_", " "))


def _is_part(name: str, whole: Mapping[str, xr.DataArray]) -> bool:
    """Whether it is a limit, a count or the like of another variable."""
    return any(name.startswith(f"{other}_") for other in whole)


def _curves(name: str, whole: Mapping[str, xr.DataArray]) -> list[Curve]:
    values = whole[name]
    limits = [whole.get(f"{name}_{limit}") for limit in LIMITS]
    label = label_of(name)
    if "fraction" in values.attrs:
        label += f" for {100 * float(values.attrs['fraction']):g} %"
    own = values.dims[3:]
    if not own:
        return [Curve(name=name, label=label, values=values, low=limits[0], high=limits[1])]
    (dim, *more) = own
    size = values.sizes[dim]
    if more or str(dim).startswith(("condition", TIME, f"brain_{TIME}")) or size > _MOST_ENTRIES:
        return []
    entries = values[dim].values.tolist() if dim in values.coords else list(range(size))
    return [
        Curve(
            name=f"{name}: {entry}",
            label=f"{label}: {entry}",
            values=values.isel({dim: i}),
            low=None if limits[0] is None else limits[0].isel({dim: i}),
            high=None if limits[1] is None else limits[1].isel({dim: i}),
        )
        for i, entry in enumerate(entries)
    ]
