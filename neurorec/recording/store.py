"""The file of a recording: written in place, readable by xarray, complete or marked as not.

Every data set has its full size and its place in the file before the first batch, so that a write
changes data and never the file's structure. A process killed at any moment leaves a readable file
whose journal says which batches are whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec.recording.plan import Plan
from neurorec.stimuli import StimulusSet

#: Name of netCDF dimensions that have no variable of their own.
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable.%10d"


def create(
    path: Path, plan: Plan, stimuli: StimulusSet, *, dt_ms: float, provenance: Mapping[str, Any]
) -> None:
    """Lay out an empty recording at ``path``."""
    with h5py.File(path, "w") as file:
        file.attrs["provenance"] = json.dumps(provenance, sort_keys=True)
        file.attrs["complete"] = 0
        file.attrs["dt_ms"] = dt_ms
        _journal(file, plan)
        columns = _stimulus_columns(stimuli)
        _stimuli(file.create_group("stimuli"), columns)
        for area, shape in plan.areas.items():
            group = file.create_group(f"areas/{area}")
            neuroid = _neuroid_columns(area, shape)
            _population(
                group,
                "activity",
                plan,
                plan.repetitions_of(area),
                columns,
                neuroid,
                dt_ms,
                plan.dtype,
                dim=assemblies.NEUROID,
            )
            group.attrs["stochastic"] = int(area in plan.stochastic)
        classes = {"class_index": np.arange(plan.n_classes)}
        _population(
            file.create_group("logits"),
            "logits",
            plan,
            plan.n_repetitions,
            columns,
            classes,
            dt_ms,
            "float32",
            dim="class",
        )


def reserve(path: Path) -> None:
    """Take the disk space of the whole file now.

    HDF5 does not report every write that a full disk refuses; with the space reserved, none is.

    Raises
    ------
    OSError
        If the disk has no room for it.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS; plan.check_space has looked at the free space
        return
    size = path.stat().st_size
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(
                f"{path.parent} has no room for a recording of {size / 1e6:.1f} MB "
                f"({error.strerror}); make space and run the same command again"
            ) from None


def _journal(file: h5py.File, plan: Plan) -> None:
    n_batches = sum(1 for _ in plan.batches())
    _dimension(file, "batch", n_batches)
    journal = _allocated(file, "journal", (n_batches,), "u1", chunks=None, fill=True)
    _attach(file, journal, ("batch",))
    file.attrs["batch_size"] = plan.batch_size


def _allocated(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    *,
    chunks: tuple[int, ...] | None,
    fill: bool = False,
) -> h5py.Dataset:
    """A data set whose bytes are reserved in the file now."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)  # the same recording is the same bytes
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_ALLOC if fill else h5py.h5d.FILL_TIME_NEVER)
    if chunks is not None:
        properties.set_chunk(chunks)
    identifier = h5py.h5d.create(
        group.id,
        name.encode(),
        h5py.h5t.py_create(np.dtype(dtype), logical=True),
        h5py.h5s.create_simple(shape),
        dcpl=properties,
    )
    return h5py.Dataset(identifier)


def _stimulus_columns(stimuli: StimulusSet) -> dict[str, np.ndarray]:
    return {str(name): stimuli.table[name].to_numpy() for name in stimuli.table}


def _stimuli(group: h5py.Group, columns: Mapping[str, np.ndarray]) -> None:
    _dimension(group, "stimulus", len(columns["stimulus_id"]))
    for name, values in columns.items():
        _column(group, name, values, "stimulus")


def _neuroid_columns(area: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    channel, row, col = (axis.ravel() for axis in np.indices(shape))
    names = [f"{area}.{c}.{r}.{k}" for c, r, k in zip(channel, row, col, strict=True)]
    return {
        "neuroid_id": np.array(names),
        "region": np.full(len(names), area),
        "area": np.full(len(names), area),
        "channel": channel,
        "row": row,
        "col": col,
    }


def _population(
    group: h5py.Group,
    name: str,
    plan: Plan,
    n_repetitions: int,
    stimuli: Mapping[str, np.ndarray],
    units: Mapping[str, np.ndarray],
    dt_ms: float,
    dtype: str,
    *,
    dim: str,
) -> None:
    """One variable (presentation, ``dim``, time_bin) with its coordinates."""
    n_units = len(next(iter(units.values())))
    n_presentations = plan.n_stimuli * n_repetitions
    for dimension, size in (
        (assemblies.PRESENTATION, n_presentations),
        (dim, n_units),
        (assemblies.TIME_BIN, plan.n_timesteps),
    ):
        _dimension(group, dimension, size)
    chunks = (min(plan.batch_size, plan.n_stimuli), n_units, plan.n_timesteps)
    shape = (n_presentations, n_units, plan.n_timesteps)
    variable = _allocated(group, name, shape, dtype, chunks=chunks)
    _attach(group, variable, (assemblies.PRESENTATION, dim, assemblies.TIME_BIN))
    repetition = np.repeat(np.arange(n_repetitions), plan.n_stimuli)
    presentation = {k: np.tile(v, n_repetitions) for k, v in stimuli.items()}
    timestep = np.arange(plan.n_timesteps)
    for column, values in {**presentation, "repetition": repetition}.items():
        _column(group, column, values, assemblies.PRESENTATION)
    for column, values in units.items():
        _column(group, column, values, dim)
    time = {
        "timestep": timestep,
        "time_bin_start": timestep * dt_ms,
        "time_bin_end": (timestep + 1) * dt_ms,
    }
    for column, values in time.items():
        _column(group, column, values, assemblies.TIME_BIN)
    variable.attrs["coordinates"] = " ".join([*presentation, "repetition", *units, *time])


def _dimension(group: h5py.Group, name: str, size: int) -> None:
    # The dimension's data set is never read; netCDF wants it to exist.
    scale = _allocated(group, name, (size,), "f4", chunks=None, fill=True)
    scale.make_scale(_NO_VARIABLE % size)


def _column(group: h5py.Group, name: str, values: np.ndarray, dim: str) -> None:
    if values.dtype.kind in "OUT":
        strings = np.array([str(v) for v in values], dtype=object)
        variable = group.create_dataset(name, data=strings, dtype=h5py.string_dtype())
    else:
        numbers = values.astype("u1") if values.dtype.kind == "b" else values
        variable = group.create_dataset(name, data=numbers)
    _attach(group, variable, (dim,))


def _attach(group: h5py.Group, variable: h5py.Dataset, dims: Sequence[str]) -> None:
    for axis, dim in enumerate(dims):
        variable.dims[axis].attach_scale(group[dim])


@final
@dataclass(frozen=True)
class Recording:
    """A recording on disk; each call opens the file, reads what is asked for, and closes it."""

    path: Path

    @property
    def areas(self) -> tuple[str, ...]:
        """Recorded areas, in the order in which a timestep evaluates them."""
        return tuple(self.provenance["areas"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Wiring, checkpoint, seeds, stimuli and versions."""
        with h5py.File(self.path, "r") as file:
            return json.loads(str(file.attrs["provenance"]))

    @property
    def complete(self) -> bool:
        """Whether every batch was written."""
        with h5py.File(self.path, "r") as file:
            return bool(file.attrs["complete"])

    def is_stochastic(self, area: str) -> bool:
        """Whether repetitions of ``area`` differ."""
        with h5py.File(self.path, "r") as file:
            return bool(self._group(file, area).attrs["stochastic"])

    def load(self, area: str, *, timesteps: Sequence[int] | None = None) -> xr.DataArray:
        """Activity of ``area`` as an assembly (float32).

        Parameters
        ----------
        timesteps
            Which; all if left out.

        Raises
        ------
        ValueError
            If the area or a timestep was not recorded, or the recording is not finished.
        """
        with h5py.File(self.path, "r") as file:
            self._require_complete(file)
            group = self._group(file, area)
            chosen = self._chosen(group, timesteps)
            values = group["activity"][()].astype(np.float32)[:, :, chosen]  # type: ignore[index]
            coordinates = _read_columns(group)
        start, end = coordinates.pop("time_bin_start"), coordinates.pop("time_bin_end")
        timestep = coordinates.pop("timestep")[chosen]
        unit_names = ("neuroid_id", "region", "area", "channel", "row", "col")
        neuroid = {name: coordinates.pop(name) for name in unit_names}
        assembly = assemblies.build(
            values,
            presentation=coordinates,
            neuroid=neuroid,
            time_bin_start=start[chosen],
            time_bin_end=end[chosen],
            attrs={"recording": str(self.path), "area": area},
        )
        return assembly.assign_coords(timestep=(assemblies.TIME_BIN, timestep))

    def logits(self) -> xr.DataArray:
        """Logits (presentation, class, time_bin) with the stimuli's columns as coordinates.

        Raises
        ------
        ValueError
            If the recording is not finished.
        """
        with h5py.File(self.path, "r") as file:
            self._require_complete(file)
            group = file["logits"]
            values = np.asarray(group["logits"][()])  # type: ignore[index]
            columns = _read_columns(group)  # type: ignore[arg-type]
        dims = (assemblies.PRESENTATION, "class", assemblies.TIME_BIN)
        sizes = dict(zip(dims, values.shape, strict=True))
        time = ("timestep", "time_bin_start", "time_bin_end")
        coords = {}
        for name, column in columns.items():
            dim = dims[2] if name in time else dims[1] if name == "class_index" else dims[0]
            if len(column) == sizes[dim]:
                coords[name] = (dim, column)
        return xr.DataArray(values, dims=dims, coords=coords)

    def _require_complete(self, file: h5py.File) -> None:
        if not file.attrs["complete"]:
            done, total = int(file["journal"][()].sum()), len(file["journal"])  # type: ignore
            raise ValueError(
                f"{self.path} is not finished: {done} of {total} batches are whole; run the same "
                "recording again and it goes on from there"
            )

    def _group(self, file: h5py.File, area: str) -> h5py.Group:
        if area not in file["areas"]:  # type: ignore[operator]
            raise ValueError(f"no area {area!r} in {self.path}; it has {list(self.areas)}")
        return file[f"areas/{area}"]  # type: ignore[return-value]

    def _chosen(self, group: h5py.Group, timesteps: Sequence[int] | None) -> np.ndarray:
        recorded = group["timestep"][()].tolist()  # type: ignore[index]
        if timesteps is None:
            return np.arange(len(recorded))
        missing = [t for t in timesteps if t not in recorded]
        if missing:
            raise ValueError(f"timesteps {missing} were not recorded; {self.path} has {recorded}")
        return np.array([recorded.index(t) for t in timesteps])


def _read_columns(group: h5py.Group) -> dict[str, np.ndarray]:
    """Every one-dimensional variable of ``group``; dimensions without a variable are left out."""
    columns = {}
    for name, variable in group.items():
        if variable.ndim == 1 and not variable.is_scale:
            strings = h5py.check_string_dtype(variable.dtype) is not None
            # numpy's own strings, which every xarray version writes to netCDF.
            columns[name] = np.array(variable.asstr()[()].tolist()) if strings else variable[()]
    return columns


def open_recording(path: str | Path) -> Recording:
    """The recording at ``path``; nothing is read until it is asked for.

    Raises
    ------
    ValueError
        If there is no such file, it is damaged, or it is not a recording.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no recording {path}; make one with 'neurorec record'")
    try:
        with h5py.File(path, "r") as file:
            known = "areas" in file and "journal" in file and "provenance" in file.attrs
    except OSError as error:
        raise ValueError(f"{path} is not a readable HDF5 file: {error}") from None
    if not known:
        raise ValueError(f"{path} is an HDF5 file but no recording of neurorec")
    return Recording(path)
