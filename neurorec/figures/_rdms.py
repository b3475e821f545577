"""RDMs as images: their conditions in groups, their times, their colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from neurorec._checks import check_option
from neurorec.figures._axes import SIMILARITY_MAP
from neurorec.figures._results import finite_range
from neurorec.figures.style import FAINT, MUTED, NOTE_PT

#: Columns by which conditions are sorted unless another is asked for, the first that there is.
SORTED_BY: Final = ("category", "object_name", "label")
#: Groups that are named; more of them have no room.
_MOST_GROUPS: Final = 12
_MM_PER_CHARACTER: Final = 1.2  # of DejaVu Sans at 6 pt, on average
#: Share of the dissimilarities below and above the range of colours.
_TAIL: Final = 1.0


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """RDMs of one population over time, with conditions in the order in which they are drawn.

    Parameters
    ----------
    name
        Of the population; empty where there is one.
    values
        Dissimilarities (time_bin, condition, condition_b).
    stimulus_ids
        Condition of each row.
    groups
        Name, first row and row after the last of each group of conditions.
    by
        Coordinate by which they are grouped.
    starts, ends
        Of the time bins, in ms.
    timesteps
        Of a model, where they are known.
    units
        Of the dissimilarities.
    """

    name: str
    values: np.ndarray
    stimulus_ids: list[str]
    groups: list[tuple[str, int, int]]
    by: str
    starts: np.ndarray
    ends: np.ndarray
    timesteps: np.ndarray | None
    units: str

    @property
    def middles(self) -> np.ndarray:
        """Of the time bins, in ms."""
        return (self.starts + self.ends) / 2

    def when(self, t: int) -> str:
        """Time bin ``t`` as text."""
        if self.timesteps is not None:
            return f"timestep {self.timesteps[t]:g}"
        start, end = (
            f"{ms:g}".replace("-", "\N{MINUS SIGN}") for ms in (self.starts[t], self.ends[t])
        )
        return f"{start} to {end} ms" if self.starts.min() < 0 else f"{start}–{end} ms"


def shown(
    rdms: xr.DataArray | Mapping[str, xr.DataArray], plot: str, *, by: str | None
) -> list[Shown]:
    """Each population's RDMs.

    Raises
    ------
    ValueError
        If there is none, a dimension or coordinate is missing, there are several leading
        dimensions, or everything is NaN.
    """
    given = dict(rdms) if isinstance(rdms, Mapping) else {"": rdms}
    if not given:
        raise ValueError(f"{plot} needs the RDMs of at least one population, got an empty mapping")
    found = [one for name, array in given.items() for one in _of_array(name, array, plot, by)]
    finite_range(*(one.values for one in found))
    return found


def _of_array(name: str, rdms: xr.DataArray, plot: str, by: str | None) -> list[Shown]:
    wanted = ("time_bin", "condition", "condition_b")
    leading = [str(dim) for dim in rdms.dims if dim not in wanted]
    if not {"condition", "condition_b"} <= set(rdms.dims) or len(leading) > 1:
        raise ValueError(
            f"{plot} needs RDMs with the dimensions {wanted} and at most one more, got "
            f"{rdms.dims}; make them with neurorec.geometry.rdm, or select of what is too much"
        )
    if "time_bin" not in rdms.dims:
        rdms = rdms.expand_dims("time_bin")
    if not leading:
        return [_one(name, rdms, plot, by)]
    (dim,) = leading
    entries = rdms[dim].values.tolist() if dim in rdms.coords else range(rdms.sizes[dim])
    return [
        _one(
            " ".join(str(part) for part in (name, entry) if part != ""),
            rdms.isel({dim: i}),
            plot,
            by,
        )
        for i, entry in enumerate(entries)
    ]


def _one(name: str, rdms: xr.DataArray, plot: str, by: str | None) -> Shown:
    rdms = rdms.transpose("time_bin", "condition", "condition_b")
    if "stimulus_id" not in rdms.coords:
        raise ValueError(
            f"{plot} needs the coordinate 'stimulus_id'; these RDMs have "
            f"{sorted(map(str, rdms.coords))}"
        )
    order, groups, sorted_by = _grouped(rdms, by)
    times = rdms.sizes["time_bin"]
    starts, ends = (
        np.atleast_1d(rdms[c].values).astype(float) if c in rdms.coords else np.arange(times) + i
        for i, c in enumerate(("time_bin_start", "time_bin_end"))
    )
    timesteps = np.atleast_1d(rdms["timestep"].values) if "timestep" in rdms.coords else None
    return Shown(
        name=name,
        values=rdms.values[:, order[:, None], order].astype(float),
        stimulus_ids=[str(one) for one in rdms["stimulus_id"].values[order]],
        groups=groups,
        by=sorted_by,
        starts=starts,
        ends=ends,
        timesteps=timesteps,
        units=str(rdms.attrs.get("units", "dissimilarity")),
    )


def _grouped(
    rdms: xr.DataArray, by: str | None
) -> tuple[np.ndarray, list[tuple[str, int, int]], str]:
    """Order of the conditions, the groups in it, and by what they are sorted."""
    columns = [str(c) for c, array in rdms.coords.items() if array.dims == ("condition",)]
    if by is None:
        by = next((name for name in SORTED_BY if name in columns), None)
    if by is None:
        return np.arange(rdms.sizes["condition"]), [], ""
    check_option("by", by, columns)
    values = rdms[by].values
    _, codes = np.unique(values, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    ends = [*starts[1:].tolist(), len(order)]
    names = [str(values[order[i]]) for i in starts]
    groups = list(zip(names, starts.tolist(), ends, strict=True))
    # Groups of one are no groups.
    return order, groups if len(groups) < len(order) else [], by


def colour_limits(every: Sequence[Shown]) -> tuple[float, float]:
    """Range of colours, the same for all: the dissimilarities of pairs but for the extremes."""
    pairs = [one.values[:, *np.triu_indices(one.values.shape[1], 1)].ravel() for one in every]
    flat = np.concatenate(pairs)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 1.0
    low, high = np.percentile(flat, [_TAIL, 100 - _TAIL])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def draw_rdm(
    axes: Axes, values: np.ndarray, limits: tuple[float, float], groups: Sequence[Any]
) -> AxesImage:
    """One RDM, first condition at the top, with a thin line between groups; NaN is grey."""
    colours = colormaps[SIMILARITY_MAP].with_extremes(bad=FAINT)
    hidden = np.array(values)
    np.fill_diagonal(hidden, np.nan)  # a dissimilarity of 0 by definition, not a measured one
    image = axes.imshow(
        hidden, vmin=limits[0], vmax=limits[1], cmap=colours, interpolation="nearest"
    )
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for _, start, _ in groups[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=0.4)
        axes.axvline(start - 0.5, color="white", linewidth=0.4)
    return image


def name_groups(axes: Axes, groups: Sequence[tuple[str, int, int]], height_mm: float) -> None:
    """The names of groups beside an RDM, where there is room for them."""
    n = groups[-1][2] if groups else 1
    narrowest = min((stop - start for _, start, stop in groups), default=0) / n * height_mm
    if not groups or len(groups) > _MOST_GROUPS or narrowest < 2.2:
        return
    axes.set_yticks([(start + stop - 1) / 2 for _, start, stop in groups])
    axes.set_yticklabels([name for name, _, _ in groups], fontsize=NOTE_PT, color=MUTED)
    axes.tick_params(axis="y", length=0)


def left_mm(every: Sequence[Shown]) -> float:
    """Room that the names of groups and populations take."""
    names = [name for one in every for name, _, _ in one.groups]
    longest = max((len(name) for name in names), default=0)
    return 6.0 + _MM_PER_CHARACTER * longest


def evenly(n_times: int, n_most: int) -> list[int]:
    """At most ``n_most`` time bins, the first and the last among them."""
    return sorted({round(t) for t in np.linspace(0, n_times - 1, min(n_times, n_most)).tolist()})


def pair_table(every: Sequence[Shown], times: Mapping[int, Sequence[int]]) -> pd.DataFrame:
    """One row per pair of conditions, upper triangle, of the given time bins of each population."""
    parts = []
    for i, one in enumerate(every):
        rows, columns = np.triu_indices(one.values.shape[1], 1)
        for t in times[i]:
            part = {
                "population": one.name,
                "time_bin_start": float(one.starts[t]),
                "time_bin_end": float(one.ends[t]),
                "timestep": np.nan if one.timesteps is None else float(one.timesteps[t]),
                "stimulus_id": np.array(one.stimulus_ids)[rows].tolist(),
                "stimulus_id_b": np.array(one.stimulus_ids)[columns].tolist(),
                "dissimilarity": one.values[t, rows, columns].tolist(),
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
