"""Where finished chunks go: to their places in a file, or packed into a part of their own.

Either way a batch that the journal names is whole, whenever the process is killed.
"""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, final

import h5py
import numpy as np

from neurorec._checks import atomic_path
from neurorec._words import size_in_words
from neurorec.recording.layout import JOURNAL, Variable
from neurorec.recording.parts import Part, flush, reserve, write_places

#: Seconds between two waits for the disk; what is younger is computed again after a power cut.
_SYNC_SECONDS: Final = 2.0
Index = tuple[int, ...]
Checksums = Mapping[str, Mapping[Index, int]]


class AbstractTarget(ABC):
    """A part that is being written, by several threads."""

    @abstractmethod
    def is_done(self, batch: int) -> bool:
        """Whether ``batch`` is in the journal."""

    @abstractmethod
    def put(self, path: str, index: Index, data: Any) -> None:
        """Keep the bytes of one chunk; ``index`` counts chunks of the whole recording."""

    @abstractmethod
    def commit(self, batch: int, checksums: Checksums) -> None:
        """All chunks of ``batch`` were put: from now on it is whole."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more will come."""


@final
class InPlace(AbstractTarget):
    """A file in which every chunk has its place, uncompressed, since before the first batch.

    HDF5 lays the file out and tells the places; it is not open while they are filled, so that no
    kill can leave its structure half written.
    """

    def __init__(self, part: Part, found: Mapping[str, Variable]) -> None:
        self._part = part
        with h5py.File(part.path, "r") as file:
            self._places = {path: chunk_places(file[path]) for path in found if path in file}
            self._sums = {
                path: _shape_and_offset(file[found[path].checksums]) for path in self._places
            }
            self._journal = offset_of(file[JOURNAL])
            self._done = file[JOURNAL][()].astype(bool)  # type: ignore[index]
        self._file = os.open(part.path, os.O_RDWR)
        self._unmarked: list[int] = []
        self._lost = False
        self._synced = time.monotonic()

    def is_done(self, batch: int) -> bool:
        return bool(self._done[batch - self._part.first])

    def put(self, path: str, index: Index, data: Any) -> None:
        _write_at(self._file, data, int(self._places[path][self._local(index)]))

    def commit(self, batch: int, checksums: Checksums) -> None:
        for path, sums in checksums.items():
            shape, offset = self._sums[path]
            for index, value in sums.items():
                at = int(np.ravel_multi_index(self._local(index), shape))
                _write_at(self._file, np.uint32(value).tobytes(), offset + 4 * at)
        self._unmarked.append(batch)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._mark()

    def close(self) -> None:
        try:
            self._mark()
        finally:
            os.close(self._file)

    def _mark(self) -> None:
        batches, self._unmarked = self._unmarked, []
        if batches and not self._lost:
            try:
                flush(self._file)
            except OSError:
                # The system tells of a failed write once; the next time it says that all is well.
                self._lost = True
                raise
            for batch in batches:
                _write_at(self._file, b"\1", self._journal + batch - self._part.first)
            flush(self._file)
        self._synced = time.monotonic()

    def _local(self, index: Index) -> Index:
        return (index[0] - self._part.first, *index[1:])


@final
class Packed(AbstractTarget):
    """A part of one batch that is written at once: the file is there, whole, or it is not."""

    def __init__(self, part: Part, found: Mapping[str, Variable], compression: str) -> None:
        self._part, self._compression = part, compression
        self._found = {k: part.holds(v) for k, v in found.items() if part.has(v)}
        self._chunks: dict[tuple[str, Index], Any] = {}

    def is_done(self, batch: int) -> bool:
        return self._part.path.exists()

    def put(self, path: str, index: Index, data: Any) -> None:
        self._chunks[path, index] = data

    def commit(self, batch: int, checksums: Checksums) -> None:
        # Made in memory: HDF5 does not report every write that a full disk refuses.
        # The whole path, so that no other recording of this process has a file of the same name.
        name = str(self._part.path.absolute())
        with h5py.File(name, "w", driver="core", backing_store=False) as file:
            write_places(file, self._found, 1, self._compression)
            pack(file, self._found, self._chunks, checksums, first=self._part.first)
            file[JOURNAL][:] = 1  # type: ignore[index]
            file.flush()
            image = file.id.get_file_image()
        self._chunks = {}
        with atomic_path(self._part.path) as partial, partial.open("wb") as stream:
            try:
                stream.write(image)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError as error:
                raise OSError(
                    f"{self._part.path.parent} has no room for another {size_in_words(len(image))} "
                    f"({error.strerror}); what is finished is kept: make space and resume"
                ) from None

    def close(self) -> None:
        """There is nothing open."""


def pack(
    file: h5py.File,
    found: Mapping[str, Variable],
    chunks: Mapping[tuple[str, Index], Any],
    checksums: Checksums,
    *,
    first: int,
) -> None:
    """Put ready chunks and their checksums into ``file``, whose first batch is ``first``."""
    for path, variable in found.items():
        data: Any = file[path]
        sums: Any = file[variable.checksums]
        for index in sorted(checksums[path]):
            local = (index[0] - first, *index[1:])
            start = tuple(i * n for i, n in zip(local, variable.chunks, strict=True))
            data.id.write_direct_chunk(start, chunks[path, index])
            sums[local] = checksums[path][index]


def open_target(
    part: Part, found: Mapping[str, Variable], compression: str | None
) -> AbstractTarget:
    """Where the batches of ``part`` go; laid out if it is a file that does not exist yet."""
    part.path.parent.mkdir(parents=True, exist_ok=True)
    if compression is not None:
        return Packed(part, found, compression)
    if not part.path.exists():
        with atomic_path(part.path) as partial:
            held = {k: part.holds(v) for k, v in found.items() if part.has(v)}
            with h5py.File(partial, "w") as file:
                write_places(file, held, part.stop - part.first, None)
            reserve(partial)
    return InPlace(part, found)


def chunk_places(variable: Any) -> np.ndarray:
    """Offsets in the file of every chunk, in the order of the grid."""
    chunks = variable.chunks
    grid = tuple(-(-n // c) for n, c in zip(variable.shape, chunks, strict=True))
    places = np.full(grid, -1, dtype=np.int64)

    def note(chunk: Any) -> None:
        index = tuple(o // c for o, c in zip(chunk.chunk_offset, chunks, strict=True))
        places[index] = chunk.byte_offset

    variable.id.chunk_iter(note)
    return places


def _shape_and_offset(variable: Any) -> tuple[tuple[int, ...], int]:
    return variable.shape, offset_of(variable)


def offset_of(variable: Any) -> int:
    """Offset in the file of a variable that is stored in one piece."""
    return int(variable.id.get_offset())


def _write_at(file: int, data: Any, offset: int) -> None:
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
