"""The currency: labelled activity of a brain or a model.

An assembly is a plain ``xarray.DataArray`` with dimensions ``(presentation, neuroid, time_bin)``.
``presentation`` carries ``stimulus_id`` and ``repetition``, ``neuroid`` carries ``neuroid_id`` and
``region``, ``time_bin`` carries ``time_bin_start`` and ``time_bin_end`` in ms from stimulus onset.
No coordinate is a MultiIndex, so that every xarray version reads and writes it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from neurorec._checks import atomic_path, check_option

PRESENTATION: Final = "presentation"
NEUROID: Final = "neuroid"
TIME_BIN: Final = "time_bin"
DIMS: Final = (PRESENTATION, NEUROID, TIME_BIN)

#: Coordinates without which an assembly is not one, by the dimension they lie on.
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    PRESENTATION: ("stimulus_id", "repetition"),
    NEUROID: ("neuroid_id", "region"),
    TIME_BIN: ("time_bin_start", "time_bin_end"),
}


def build(
    values: Any,
    *,
    presentation: Mapping[str, Any],
    neuroid: Mapping[str, Any],
    time_bin_start: Any,
    time_bin_end: Any,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataArray:
    """Assembly of ``values`` (presentation, neuroid, time_bin) with the given coordinates.

    Parameters
    ----------
    values
        Activity; its unit belongs in ``attrs["units"]``.
    presentation, neuroid
        Columns, by name, one value per presentation or neuroid.
    time_bin_start, time_bin_end
        Limits of the bins in ms from stimulus onset.
    attrs
        Provenance and units.

    Raises
    ------
    ValueError
        If a coordinate is missing, has the wrong length, or identifiers of neuroids repeat.
    """
    ms = {"units": "ms"}
    coords: dict[str, Any] = {
        "time_bin_start": (TIME_BIN, np.asarray(time_bin_start, dtype=float), ms),
        "time_bin_end": (TIME_BIN, np.asarray(time_bin_end, dtype=float), ms),
    }
    coords |= {name: (PRESENTATION, np.asarray(column)) for name, column in presentation.items()}
    coords |= {name: (NEUROID, np.asarray(column)) for name, column in neuroid.items()}
    return check(xr.DataArray(values, dims=DIMS, coords=coords, attrs=dict(attrs or {})))


def require_dims(assembly: xr.DataArray, *dims: str) -> xr.DataArray:
    """Return ``assembly`` with its dimensions in the order ``dims``.

    Raises
    ------
    ValueError
        If it has other dimensions.
    """
    if set(assembly.dims) != set(dims):
        raise ValueError(
            f"expected an assembly with dimensions {dims}, got {tuple(assembly.dims)}; "
            "average or select the dimensions you do not need first"
        )
    return assembly.transpose(*dims)


def check(assembly: xr.DataArray) -> xr.DataArray:
    """Return ``assembly`` in the order ``(presentation, neuroid, time_bin)``.

    Raises
    ------
    ValueError
        If dimensions or required coordinates are missing, a coordinate lies on another dimension,
        neuroid identifiers repeat, or a time bin ends before it starts.
    """
    assembly = require_dims(assembly, *DIMS)
    for dim, names in REQUIRED.items():
        for name in names:
            if name not in assembly.coords:
                raise ValueError(
                    f"the assembly has no coordinate {name!r} on {dim!r}; "
                    f"add it with assign_coords({name}=({dim!r}, values))"
                )
            if assembly.coords[name].dims != (dim,):
                raise ValueError(
                    f"coordinate {name!r} must lie on {dim!r}, "
                    f"it lies on {assembly.coords[name].dims}"
                )
    identifiers = assembly["neuroid_id"].values
    if len(np.unique(identifiers)) != len(identifiers):
        raise ValueError(
            "neuroid_id must be unique, got repeated identifiers; "
            "prefix them with the session or area they come from"
        )
    if np.any(assembly["time_bin_end"].values <= assembly["time_bin_start"].values):
        raise ValueError("every time_bin_end must be later than its time_bin_start")
    return assembly


def average_repetitions(assembly: xr.DataArray) -> xr.DataArray:
    r"""Mean over the repetitions of each stimulus, stimuli in order of first appearance.

    Coordinates of ``presentation`` that are constant within each stimulus are kept, and those of
    the other dimensions; ``repetition`` becomes 0 and ``n_repetitions`` counts what was averaged.
    """
    assembly = check(assembly)
    identifiers = assembly["stimulus_id"].values
    _, first, inverse = np.unique(identifiers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    groups = np.argsort(order)[inverse.ravel()]  # number of each presentation's stimulus
    n_stimuli = len(first)
    counts = np.bincount(groups, minlength=n_stimuli)
    values = assembly.values
    if values.dtype != np.float32:
        values = values.astype(float)  # sums of small integers must not wrap around
    members = np.ones(len(groups), dtype=values.dtype)
    summing = csr_array((members, (groups, np.arange(len(groups)))), (n_stimuli, len(groups)))
    sums = (summing @ values.reshape(len(groups), -1)).reshape(n_stimuli, *values.shape[1:])
    means = sums / counts[:, None, None].astype(values.dtype)
    first = first[order]
    columns: dict[str, Any] = {}
    for name, coordinate in assembly.coords.items():
        if coordinate.dims == (PRESENTATION,) and name != "repetition":
            values = coordinate.values
            if np.array_equal(values, values[first][groups]):
                columns[str(name)] = values[first]
    columns |= {"repetition": np.zeros(n_stimuli, dtype=np.int64), "n_repetitions": counts}
    averaged = build(
        means,
        presentation=columns,
        neuroid=columns_of(assembly, NEUROID),
        time_bin_start=assembly["time_bin_start"].values,
        time_bin_end=assembly["time_bin_end"].values,
        attrs=assembly.attrs,
    )
    times = columns_of(assembly, TIME_BIN)
    return averaged.assign_coords(
        {k: (TIME_BIN, v) for k, v in times.items() if k not in averaged.coords}
    )


def columns_of(assembly: xr.DataArray, dim: str) -> dict[str, np.ndarray]:
    """Every coordinate along ``dim``, by name."""
    return {str(k): v.values for k, v in assembly.coords.items() if v.dims == (dim,)}


def window(
    assembly: xr.DataArray,
    *,
    start_ms: float | int,
    stop_ms: float | int,
    width_ms: float | int | None = None,
    step_ms: float | int | None = None,
    statistic: str = "mean",
) -> xr.DataArray:
    """Bins of ``width_ms`` every ``step_ms`` from ``start_ms`` on, none ending after ``stop_ms``.

    Parameters
    ----------
    width_ms
        Length of a new bin; the whole span if left out.
    step_ms
        From one bin's start to the next's; ``width_ms`` if left out. Bins may overlap.
    statistic
        ``"mean"`` or ``"sum"`` over the old bins inside a new one.

    Raises
    ------
    ValueError
        If a new bin does not consist of whole old bins.
    """
    check_option("statistic", statistic, ("mean", "sum"))
    assembly = check(assembly)
    width = stop_ms - start_ms if width_ms is None else width_ms
    step = width if step_ms is None else step_ms
    if width <= 0 or step <= 0 or start_ms + width > stop_ms:
        raise ValueError(
            f"no bin of width {width} ms and step {step} ms fits "
            f"between {start_ms} and {stop_ms} ms"
        )
    starts = start_ms + step * np.arange(int((stop_ms - start_ms - width) // step) + 1)
    lower, upper = assembly["time_bin_start"].values, assembly["time_bin_end"].values
    slabs = []
    for start in starts:
        inside = (lower >= start) & (upper <= start + width)
        if not inside.any() or not np.isclose((upper - lower)[inside].sum(), width):
            raise ValueError(
                f"the bin from {start} to {start + width} ms is not made of whole bins of this "
                f"assembly, which has {len(lower)} bins from {lower.min()} to {upper.max()} ms"
            )
        # Spike counts come as small integers; their sum must not wrap around.
        values = assembly.values[:, :, inside].astype(float)
        slabs.append(getattr(values, statistic)(axis=2))
    return build(
        np.stack(slabs, axis=2),
        presentation=columns_of(assembly, PRESENTATION),
        neuroid=columns_of(assembly, NEUROID),
        time_bin_start=starts,
        time_bin_end=starts + width,
        attrs=assembly.attrs,
    )


def match(stimulus_ids: Sequence[str], assembly: xr.DataArray) -> np.ndarray:
    """Position in ``assembly`` of each of ``stimulus_ids``.

    Raises
    ------
    ValueError
        If a stimulus is absent or shown more than once; average repetitions first.
    """
    available = assembly["stimulus_id"].values.tolist()
    position = {identifier: i for i, identifier in enumerate(available)}
    if len(position) != len(available):
        raise ValueError("stimuli are repeated in this assembly; use average_repetitions first")
    missing = [s for s in stimulus_ids if s not in position]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(stimulus_ids)} stimuli are not in the assembly, "
            f"the first is {missing[0]!r}; select the stimuli that both have"
        )
    return np.array([position[s] for s in stimulus_ids], dtype=np.int64)


def to_netcdf(assembly: xr.DataArray, path: str | Path) -> Path:
    """Write ``assembly`` to a netCDF4 file that appears whole or not at all."""
    path = Path(path)
    with atomic_path(path) as temporary:
        dataset = check(assembly).to_dataset(name="activity").reset_coords()
        dataset.to_netcdf(temporary, engine="h5netcdf")
    return path


def from_netcdf(path: str | Path) -> xr.DataArray:
    """Read an assembly that :func:`to_netcdf` wrote.

    Raises
    ------
    ValueError
        If the file is not netCDF4 or holds no assembly.
    """
    path = Path(path)
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
    except OSError as error:
        raise ValueError(f"{path} is not a readable netCDF4 file: {error}") from error
    if "activity" not in dataset:
        raise ValueError(f"{path} holds no assembly; its variables are {sorted(dataset)}")
    coords = [str(name) for name in dataset.variables if name != "activity"]
    return check(dataset.set_coords(coords)["activity"].rename(None))
