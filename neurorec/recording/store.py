"""A recording on disk, read as assemblies."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, final

import h5py
import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec._checks import check_option
from neurorec.recording.area import RecordedArea
from neurorec.recording.buffers import Buffers
from neurorec.recording.compression import require
from neurorec.recording.layout import IMAGES, Variable, path_of
from neurorec.recording.lazily import lazily
from neurorec.recording.parts import parts_of, variables_in
from neurorec.recording.plan import LOGITS
from neurorec.recording.reading import Excerpt
from neurorec.recording.selecting import numbers_of
from neurorec.recording.summary import summarise
from neurorec.recording.verifying import whole_batches

_TIME: Final = ("timestep", "time_bin_start", "time_bin_end", "visible")
#: Size of the blocks in which a recording is streamed, unless another is asked for.
_BLOCK_BYTES: Final = 256 * 2**20


@final
@dataclass(frozen=True)
class Recording:
    """A recording on disk; each call opens the file, reads what is asked for, and closes it.

    What names an area names its state ``h``; ``"V4.c"`` names another.
    """

    path: Path

    @property
    def populations(self) -> tuple[str, ...]:
        """Everything recorded, as ``area.state``, in the order in which a timestep evaluates it."""
        return tuple(p for p in self.provenance["populations"] if p != LOGITS)

    @property
    def areas(self) -> tuple[str, ...]:
        """Recorded areas, in the order in which a timestep evaluates them."""
        names = (address.split(".", 1)[0] for address in self.populations)
        return tuple(dict.fromkeys(n for n in names if n != "halting"))

    def states(self, area: str) -> tuple[str, ...]:
        """Recorded states of ``area``."""
        pairs = (address.split(".", 1) for address in self.populations)
        return tuple(state for name, state in pairs if name == area)

    @property
    def provenance(self) -> dict[str, Any]:
        """Wiring, checkpoint, seeds, stimuli, settings and version."""
        with h5py.File(self.path, "r") as file:
            return json.loads(str(file.attrs["provenance"]))

    @property
    def progress(self) -> tuple[int, int]:
        """How many batches are whole, and how many there are."""
        parts = parts_of(self.path)
        return len(whole_batches(parts)), parts[-1].stop

    @property
    def complete(self) -> bool:
        """Whether every batch was written."""
        done, total = self.progress
        return done == total

    def is_stochastic(self, area: str) -> bool:
        """Whether repetitions of ``area`` differ; otherwise one of them is stored."""
        with h5py.File(self.path, "r") as file:
            return bool(file[self._variable(file, area).group].attrs["stochastic"])

    def area(self, name: str) -> RecordedArea:
        """An area, or ``area.state``, for an analysis that reads it block by block.

        Raises
        ------
        ValueError
            If it was not recorded.
        """
        with h5py.File(self.path, "r") as file:
            return RecordedArea(self, name, self._variable(file, name).shape[1])

    def load(
        self,
        area: str,
        *,
        timesteps: Sequence[int] | None = None,
        neuroids: Any = None,
        lazy: bool = False,
    ) -> xr.DataArray:
        """Activity of ``area`` as an assembly (float32).

        Of a recording that is not finished, the presentations that are whole.

        Parameters
        ----------
        timesteps
            Which; all if left out.
        neuroids
            Numbers, a slice, a mask, or identifiers; all if left out.
        lazy
            Whether nothing is read until it is computed, by dask.

        Raises
        ------
        ValueError
            If the area, a timestep or a neuroid was not recorded.
        ImportError
            If ``lazy`` and dask is not installed.
        """
        chosen = self._selected(area, timesteps, neuroids)
        return self._assembly(area, self._labels(area), chosen, lazy=lazy)

    def stream(
        self,
        area: str,
        *,
        over: str = "neuroid",
        timesteps: Sequence[int] | None = None,
        neuroids: Any = None,
        block_bytes: int = _BLOCK_BYTES,
    ) -> Iterator[xr.DataArray]:
        """Assemblies of consecutive neuroids, or presentations, none larger than ``block_bytes``.

        Together they are what :meth:`load` gives; a single neuroid or presentation may be larger.

        Raises
        ------
        ValueError
            As :meth:`load`, or if ``over`` is another dimension.
        """
        check_option("over", over, ("neuroid", "presentation"))
        rows, units, steps = self._selected(area, timesteps, neuroids)
        numbers, others = (units, rows) if over == "neuroid" else (rows, units)
        n = max(int(block_bytes // max(4 * len(others) * len(steps), 1)), 1)
        # Names of all units take longer to read than a block of their activity.
        labels = self._labels(area)
        for start in range(0, len(numbers), n):
            block = numbers[start : start + n]
            chosen = (rows, block, steps) if over == "neuroid" else (block, units, steps)
            yield self._assembly(area, labels, chosen, lazy=False)

    def pieces(
        self, area: str, *, block_bytes: int = _BLOCK_BYTES
    ) -> Iterator[tuple[int, np.ndarray]]:
        """All activity of an area in the order in which it lies in the file, without labels.

        Yields the first timestep of each piece and its activity (presentation, neuroid, time_bin):
        all units of some consecutive timesteps, or some of one. None is larger than
        ``block_bytes``, but a single neuroid at one timestep. Half the time of :meth:`stream`, of
        whose blocks each takes a little from every chunk.

        Raises
        ------
        ValueError
            If there is no such area.
        """
        rows, units, steps = chosen = self._selected(area, None, None)
        with h5py.File(self.path, "r") as file:
            whole = self._excerpt(self._variable(file, area), chosen)
        n = max(int(block_bytes // max(4 * len(rows), 1)), 1)
        n_steps = max(n // max(len(units), 1), 1)
        pieces = [
            replace(whole, units=units[i : i + n], timesteps=steps[first : first + n_steps])
            for first in range(0, len(steps), n_steps)
            for i in range(0, len(units), n)
        ]
        buffers = Buffers()
        for piece, following in zip_longest(pieces, pieces[1:]):
            values = piece.read(buffers)
            if following is not None:
                following.announce()
            yield int(piece.timesteps[0]), values.transpose(1, 2, 0)
            del values  # its memory is used again

    def logits(self) -> xr.DataArray:
        """Logits (presentation, class, time_bin) with the stimuli's columns as coordinates.

        A model with logits for every pixel has its ``row`` and ``col`` along ``class`` too.
        """
        with h5py.File(self.path, "r") as file:
            variable = variables_in(file)[path_of(LOGITS)]
            columns = self._columns(file, variable)
        n_units, n_steps = variable.shape[1:]
        chosen = (self._whole_rows(variable), np.arange(n_units), np.arange(n_steps))
        values = self._values(variable, chosen)
        coords: dict[str, Any] = {}
        for (dim, names), numbers in zip(columns.items(), chosen, strict=True):
            coords |= {name: (dim, column[numbers]) for name, column in names.items()}
        return xr.DataArray(values, dims=tuple(columns), coords=coords)

    def images(self) -> xr.DataArray:
        """What the model saw, in bytes (stimulus, height, width, rgb), of films by frame.

        At its resolution and place in the field of view; ``visible`` of each area says when.

        Raises
        ------
        ValueError
            If the images were not kept.
        """
        require(self._compression)
        with h5py.File(self.path, "r") as file:
            if IMAGES not in file:
                raise ValueError(f"{self.path} was recorded with images=False")
            variable = variables_in(file)[IMAGES]
            names = _values_of(file["stimuli/stimulus_id"])
        values = np.zeros(variable.shape, variable.dtype)
        # Part by part: where more are shown than files may be open, HDF5 shows zeros.
        for part in parts_of(self.path):
            if part.has(variable) and part.path.exists():
                with h5py.File(part.path, "r") as file:
                    values[slice(*part.rows(variable))] = file[IMAGES][()]  # type: ignore[index]
        rows = self._whole_rows(variable)
        coords = {"stimulus_id": ("stimulus", names[rows])}
        return xr.DataArray(values[rows], dims=variable.dims, coords=coords)

    def summary(self) -> str:
        """What is in the recording, in some lines."""
        return summarise(self.path, self.provenance, self.progress)

    def _labels(self, area: str) -> tuple[Variable, dict[str, dict[str, np.ndarray]]]:
        """Variable of an area, and columns of coordinates by dimension."""
        with h5py.File(self.path, "r") as file:
            variable = self._variable(file, area)
            return variable, self._columns(file, variable)

    def _assembly(
        self,
        area: str,
        labels: tuple[Variable, dict[str, dict[str, np.ndarray]]],
        chosen: tuple[np.ndarray, np.ndarray, np.ndarray],
        *,
        lazy: bool,
    ) -> xr.DataArray:
        variable, columns = labels
        values = self._lazily(variable, chosen) if lazy else self._values(variable, chosen)
        presentation, neuroid, time = (
            {name: column[numbers] for name, column in names.items()}
            for names, numbers in zip(columns.values(), chosen, strict=True)
        )
        assembly = assemblies.build(
            values,
            presentation=presentation,
            neuroid=neuroid,
            time_bin_start=time.pop("time_bin_start"),
            time_bin_end=time.pop("time_bin_end"),
            attrs={"recording": str(self.path), "area": area},
        )
        return assembly.assign_coords({k: (assemblies.TIME_BIN, v) for k, v in time.items()})

    def _excerpt(
        self, variable: Variable, chosen: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> Excerpt:
        rows, units, steps = chosen
        return Excerpt(
            out=self.path,
            variable=variable,
            compression=self._compression,
            rows=rows,
            units=units,
            timesteps=steps,
        )

    def _values(
        self, variable: Variable, chosen: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Activity (presentation, neuroid, time_bin); in memory each timestep is in one piece."""
        return self._excerpt(variable, chosen).read().transpose(1, 2, 0)

    def _lazily(self, variable: Variable, chosen: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Any:
        """The same, read when it is computed."""
        n_rows, n_units, _ = variable.chunks
        sizes = tuple(len(numbers) for numbers in chosen)
        chunks = (min(n_rows, sizes[0]), min(n_units, sizes[1]), sizes[2])

        def read_block(*index: slice) -> np.ndarray:
            rows, units, steps = (n[i] for n, i in zip(chosen, index, strict=True))
            return self._values(variable, (rows, units, steps))

        return lazily(read_block, sizes, chunks)

    def _selected(
        self, area: str, timesteps: Sequence[int] | None, neuroids: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the rows that are whole, of the neuroids and of the timesteps."""
        with h5py.File(self.path, "r") as file:
            variable = self._variable(file, area)
            units = np.arange(variable.shape[1])
            if neuroids is not None:
                names: Any = file[f"{variable.group}/neuroid_id"]
                units = numbers_of(neuroids, names.asstr()[()])
        n_steps = variable.shape[2]
        steps = np.arange(n_steps) if timesteps is None else np.asarray(list(timesteps), dtype=int)
        missing = [int(t) for t in steps if not 0 <= t < n_steps]
        if missing:
            raise ValueError(
                f"timesteps {missing} were not recorded; {self.path} has {list(range(n_steps))}"
            )
        return self._whole_rows(variable), units, steps

    def _whole_rows(self, variable: Variable) -> np.ndarray:
        size, n_rows = variable.chunks[0], variable.shape[0]
        done = whole_batches(parts_of(self.path))
        rows = [np.arange(b * size, min((b + 1) * size, n_rows)) for b in sorted(done)]
        return np.concatenate([np.zeros(0, dtype=int), *rows])

    @property
    def _compression(self) -> str | None:
        with h5py.File(self.path, "r") as file:
            return str(file.attrs["compression"]) or None

    def _variable(self, file: h5py.File, area: str) -> Variable:
        address = area if "." in area else f"{area}.h"
        found = variables_in(file)
        if address not in self.populations:
            raise ValueError(f"no area {area!r} in {self.path}; it has {list(self._named())}")
        return found[path_of(address)]

    def _named(self) -> tuple[str, ...]:
        """Populations as they are asked for."""
        return tuple(p.removesuffix(".h") for p in self.populations)

    def _columns(self, file: h5py.File, variable: Variable) -> dict[str, dict[str, np.ndarray]]:
        """Coordinates of each dimension of ``variable``."""
        group: Any = file[variable.group]
        columns: dict[str, dict[str, np.ndarray]] = {dim: {} for dim in variable.dims}
        for name, column in group.items():
            if column.ndim == 1 and not column.is_scale:
                dim = column.dims[0][0].name.rsplit("/", 1)[1]
                values = _values_of(column)
                columns[dim][name] = values.astype(bool) if name == "visible" else values
        return columns


def _values_of(column: Any) -> np.ndarray:
    """A column; strings as numpy's own, which every xarray version writes to netCDF."""
    if h5py.check_string_dtype(column.dtype) is not None:
        return np.array(column.asstr()[()].tolist())
    return column[()]
