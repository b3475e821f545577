"""Reading some rows, units and timesteps, chunk by chunk, from the parts that hold them."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard, final

import h5py
import numpy as np

from neurorec.recording.buffers import Buffers
from neurorec.recording.compression import decode, require
from neurorec.recording.layout import Variable
from neurorec.recording.parts import Part, parts_of
from neurorec.recording.targets import Index, chunk_places

Picked = slice | np.ndarray
#: Rows and units.
_Block = tuple[Picked, Picked]
# Index of a chunk, position of its timestep in the result, where that goes, what is taken.
_Job = tuple[Index, int, _Block, _Block]

#: Pieces of memory that one call of the system fills on every system.
_MOST_ROWS: Final = 1024


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Excerpt:
    """Some rows, units and timesteps of one variable of a recording.

    Parameters
    ----------
    out
        The recording.
    variable
        Which of its variables.
    compression
        How its chunks are stored.
    rows, units, timesteps
        Numbers along each axis, in any order.
    """

    out: Path
    variable: Variable
    compression: str | None
    rows: np.ndarray
    units: np.ndarray
    timesteps: np.ndarray

    def read(self, buffers: Buffers | None = None) -> np.ndarray:
        """Activity (timestep, row, unit) in float32.

        Parameters
        ----------
        buffers
            Where memory is taken from; from the system if left out.

        Raises
        ------
        ImportError
            If the recording is compressed by a library that is not installed.
        """
        require(self.compression)
        shape = len(self.timesteps), len(self.rows), len(self.units)
        result = (buffers or Buffers()).array(shape)
        n_threads = 1 if self.compression is None else None
        with ThreadPoolExecutor(n_threads) as pool:
            for source, jobs in self._sources():
                with source:
                    # list() raises what a thread raised.
                    list(pool.map(lambda job, s=source: _fill(result, s, *job), jobs))
        return result

    def announce(self) -> None:
        """Say that it is read next, so that it comes from the disk meanwhile."""
        if self.compression is not None or not hasattr(os, "posix_fadvise"):
            return
        for source, jobs in self._sources():
            with source:
                for index, *_ in jobs:
                    source.announce(index)

    def _sources(self) -> Iterator[tuple["_Source", Iterator[_Job]]]:
        """Parts that hold some of it, and what is taken of each.

        To be opened one at a time: there may be more parts than files that may be open.
        """
        for part in parts_of(self.out):
            start, stop = part.rows(self.variable)
            here = np.flatnonzero((self.rows >= start) & (self.rows < stop))
            if len(here):
                yield _Source(part, self.variable, self.compression), self._jobs(here)

    def _jobs(self, here: np.ndarray) -> Iterator[_Job]:
        """What is taken of each chunk that holds some of the rows at the positions ``here``."""
        n_rows, n_units, _ = self.variable.chunks
        places = _by_chunk(self.units, np.arange(len(self.units)), n_units)
        for i, to_rows, from_rows in _by_chunk(self.rows, here, n_rows):
            for j, to_units, from_units in places:
                for k, timestep in enumerate(self.timesteps):
                    yield (i, j, int(timestep)), k, (to_rows, to_units), (from_rows, from_units)


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


def _are_slices(block: _Block) -> TypeGuard[tuple[slice, slice]]:
    return all(isinstance(picked, slice) for picked in block)


def _fill(
    result: np.ndarray, source: "_Source", index: Index, k: int, to: _Block, of: _Block
) -> None:
    if _are_slices(to) and _are_slices(of) and source.has_copied(index, of, result[k][to]):
        return
    chunk = source.chunk(index)
    # Only the places of this chunk are written: others are being filled by other threads.
    rows, units = to
    place: Any = to
    if isinstance(rows, np.ndarray) and isinstance(units, np.ndarray):
        place = np.ix_(rows, units)
    result[k][place] = chunk[of[0]][:, of[1]]


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

    def has_copied(self, index: Index, of: tuple[slice, slice], to: np.ndarray) -> bool:
        """Copy whole rows in one call of the system, where they lie in the file as they shall.

        A quarter of the time of a map of the file, for which every page must be entered.
        """
        rows, units = of
        whole = units == slice(0, self._variable.chunks[1])
        plain = self._compression is None and np.dtype(self._variable.dtype) == to.dtype
        if not (whole and plain and len(to) <= _MOST_ROWS and hasattr(os, "preadv")):
            return False
        start = self._place(index) + rows.start * to.shape[1] * to.itemsize
        lines = [memoryview(line).cast("B") for line in to]
        return os.preadv(self._bytes.fileno(), lines, start) == to.size * to.itemsize

    def announce(self, index: Index) -> None:
        """Let the system fetch a chunk from the disk while something else is computed."""
        size = math.prod(self._variable.chunks) * np.dtype(self._variable.dtype).itemsize
        start, advice = self._place(index), os.POSIX_FADV_WILLNEED
        os.posix_fadvise(self._bytes.fileno(), start, size, advice)

    def _place(self, index: Index) -> int:
        return int(self._places[(index[0] - self._part.first, *index[1:])])

    def chunk(self, index: Index) -> np.ndarray:
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
