"""Reading some rows, units and timesteps, chunk by chunk, from the parts that hold them."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, final

import h5py
import numpy as np

from neurorec.recording.buffers import Buffers
from neurorec.recording.compression import decode, require
from neurorec.recording.layout import Variable
from neurorec.recording.parts import Part, parts_of
from neurorec.recording.targets import chunk_places

Picked = slice | np.ndarray

#: Pieces of memory that one call of the system fills on every system.
_MOST_ROWS: Final = 1024


def read(
    out: Path,
    variable: Variable,
    compression: str | None,
    *,
    rows: np.ndarray,
    units: np.ndarray,
    timesteps: np.ndarray,
    buffers: Buffers | None = None,
) -> np.ndarray:
    """Activity (timestep, row, unit) in float32.

    Parameters
    ----------
    out
        The recording.
    variable
        Which of its variables.
    rows, units, timesteps
        Numbers along each axis, in any order.
    buffers
        Where memory is taken from; from the system if left out.

    Raises
    ------
    ImportError
        If the recording is compressed by a library that is not installed.
    """
    require(compression)
    shape = len(timesteps), len(rows), len(units)
    result = (buffers or Buffers()).array(shape)
    n_threads = 1 if compression is None else None
    with ThreadPoolExecutor(n_threads) as pool:
        for part in parts_of(out):
            start, stop = part.rows(variable)
            here = np.flatnonzero((rows >= start) & (rows < stop))
            if len(here):
                jobs = _jobs(variable, rows, here, units, timesteps)
                # One at a time: there may be more parts than files that may be open.
                with _Source(part, variable, compression) as source:
                    # list() raises what a thread raised.
                    list(pool.map(lambda job, s=source: _fill(result, s, *job), jobs))
    return result


def announce(
    out: Path,
    variable: Variable,
    compression: str | None,
    *,
    rows: np.ndarray,
    units: np.ndarray,
    timesteps: np.ndarray,
) -> None:
    """Say what is read next, so that it comes from the disk meanwhile; see :func:`read`."""
    if compression is not None or not hasattr(os, "posix_fadvise"):
        return
    for part in parts_of(out):
        start, stop = part.rows(variable)
        here = np.flatnonzero((rows >= start) & (rows < stop))
        if len(here):
            with _Source(part, variable, compression) as source:
                for index, *_ in _jobs(variable, rows, here, units, timesteps):
                    source.announce(index)


def _jobs(
    variable: Variable, rows: np.ndarray, here: np.ndarray, units: np.ndarray, timesteps: np.ndarray
) -> Iterator[tuple[Any, ...]]:
    """Index of a chunk, what is taken of it, and where that goes."""
    n_rows, n_units, _ = variable.chunks
    places = _by_chunk(units, np.arange(len(units)), n_units)
    for i, to_rows, from_rows in _by_chunk(rows, here, n_rows):
        for j, to_units, from_units in places:
            for k, timestep in enumerate(timesteps):
                index = (i, j, int(timestep))
                yield index, (k, to_rows, to_units), (from_rows, from_units)


def _by_chunk(
    numbers: np.ndarray, positions: np.ndarray, size: int
) -> list[tuple[int, Picked, Picked]]:
    """Number of each chunk, positions in the result, and positions in the chunk."""
    chunk = numbers[positions] // size
    found = []
    for i in np.unique(chunk):
        to = positions[chunk == i]
        found.append((int(i), _sliced(to), _sliced(numbers[to] - i * size)))
    return found


def _sliced(numbers: np.ndarray) -> Picked:
    """Consecutive numbers as a slice, which numpy copies fast."""
    first, n = int(numbers[0]), len(numbers)
    consecutive = int(numbers[-1]) - first == n - 1 and bool((np.diff(numbers) == 1).all())
    return slice(first, first + n) if consecutive else numbers


def _fill(
    result: np.ndarray,
    source: "_Source",
    index: tuple[int, int, int],
    to: tuple[int, Picked, Picked],
    taken: tuple[Picked, Picked],
) -> None:
    k, to_rows, to_units = to
    from_rows, from_units = taken
    if isinstance(to_rows, slice) and isinstance(to_units, slice):
        if source.has_copied(index, taken, result[k, to_rows, to_units]):
            return
    chunk = source.chunk(index)
    # Only the places of this chunk are written: others are being filled by other threads.
    place: Any = (to_rows, to_units)
    if isinstance(to_rows, np.ndarray) and isinstance(to_units, np.ndarray):
        place = np.ix_(to_rows, to_units)
    result[k][place] = chunk[from_rows][:, from_units]


@final
class _Source:
    """Chunks of one variable in one part."""

    def __init__(self, part: Part, variable: Variable, compression: str | None) -> None:
        self._part, self._variable, self._compression = part, variable, compression

    def __enter__(self) -> "_Source":
        self._file = h5py.File(self._part.path, "r")
        self._data: Any = self._file[self._variable.path]
        if self._compression is None:
            self._places = chunk_places(self._data)
            self._bytes = self._part.path.open("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._compression is None:
            self._bytes.close()

    def has_copied(
        self, index: tuple[int, int, int], taken: tuple[Picked, Picked], to: np.ndarray
    ) -> bool:
        """Copy whole rows in one call of the system, where they lie in the file as they shall.

        A quarter of the time of a map of the file, for which every page must be entered.
        """
        rows, units = taken
        if not (isinstance(rows, slice) and isinstance(units, slice)):
            return False
        whole = units == slice(0, self._variable.chunks[1])
        plain = self._compression is None and np.dtype(self._variable.dtype) == to.dtype
        if not (whole and plain and len(to) <= _MOST_ROWS and hasattr(os, "preadv")):
            return False
        start = self._place(index) + rows.start * to.shape[1] * to.itemsize
        lines = [memoryview(line).cast("B") for line in to]
        return os.preadv(self._bytes.fileno(), lines, start) == to.size * to.itemsize

    def announce(self, index: tuple[int, int, int]) -> None:
        """Let the system fetch a chunk from the disk while something else is computed."""
        size = math.prod(self._variable.chunks) * np.dtype(self._variable.dtype).itemsize
        start, advice = self._place(index), os.POSIX_FADV_WILLNEED
        os.posix_fadvise(self._bytes.fileno(), start, size, advice)

    def _place(self, index: tuple[int, int, int]) -> int:
        return int(self._places[(index[0] - self._part.first, *index[1:])])

    def chunk(self, index: tuple[int, int, int]) -> np.ndarray:
        """Activity (row, unit) of one chunk; the index counts chunks of the recording."""
        shape, dtype = self._variable.chunks, np.dtype(self._variable.dtype)
        if self._compression is None:
            # Only the pages that are used are read, and only a chunk takes addresses, of which a
            # limit on memory may leave fewer than the file has bytes.
            return np.memmap(self._bytes, dtype, "r", self._place(index), shape[:2])
        local = (index[0] - self._part.first, *index[1:])
        start = tuple(i * n for i, n in zip(local, shape, strict=True))
        _, stored = self._data.id.read_direct_chunk(start)
        return decode(stored, shape, dtype, self._compression)[..., 0]
