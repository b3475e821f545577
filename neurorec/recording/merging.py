"""Several parts to one file, chunk by chunk as they are stored."""

import shutil
from pathlib import Path
from typing import Any

import h5py

from neurorec._checks import atomic_path
from neurorec._words import size_in_words
from neurorec.recording.layout import JOURNAL, Variable
from neurorec.recording.parts import (
    Part,
    folder_of,
    labels_of,
    parts_of,
    reserve,
    sync,
    variables_in,
    write_places,
)
from neurorec.recording.verifying import faults, whole_batches


def merge(out: str | Path) -> None:
    """Make one file of the recording ``out`` and its parts, which are then deleted.

    The chunks are copied as they are, compressed ones without decoding. The file takes the place
    of the old one only when every checksum was found right in it.

    Raises
    ------
    ValueError
        If a batch is missing.
    OSError
        If the disk has no room for the file beside its parts.
    """
    out = Path(out)
    parts = parts_of(out)
    if parts[0].path != out:
        _check_whole(out, parts)
        _check_space(out, parts)
        with atomic_path(out) as partial:
            _assemble(out, parts, partial)
            damaged = next(faults(partial), None)
            if damaged is not None:
                raise OSError(
                    f"the file that was put together from the parts of {out} is not what they "
                    f"are: {damaged}; the disk may be full: make space and resume, the parts are "
                    "kept"
                )
            sync(partial)
        sync(out.parent)
    shutil.rmtree(folder_of(out), ignore_errors=True)


def _check_whole(out: Path, parts: tuple[Part, ...]) -> None:
    done, total = len(whole_batches(parts)), parts[-1].stop
    if done < total:
        raise ValueError(
            f"{out} is not finished: {done} of {total} batches are whole; resume it, then merge"
        )


def _check_space(out: Path, parts: tuple[Part, ...]) -> None:
    needed = sum(part.path.stat().st_size for part in parts)
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise OSError(
            f"one file needs {size_in_words(needed)} beside its parts, and {out.parent} has "
            f"{size_in_words(free)} free; make space and merge again, nothing is lost"
        )


def _assemble(out: Path, parts: tuple[Part, ...], partial: Path) -> None:
    shutil.copyfile(labels_of(out), partial)
    with h5py.File(partial, "r+") as file:
        found = variables_in(file)
        compression = str(file.attrs["compression"]) or None
        write_places(file, found, parts[-1].stop, compression)
    if compression is None:
        reserve(partial)
    with h5py.File(partial, "r+") as file:
        for part in parts:
            with h5py.File(part.path, "r") as source:
                for path, variable in found.items():
                    if part.has(variable):
                        _copy(source, file, path, variable, part.first)
        file[JOURNAL][:] = 1  # type: ignore[index]


def _copy(source: h5py.File, file: h5py.File, path: str, variable: Variable, first: int) -> None:
    """Every chunk of one variable of a part, in the order of the file."""
    old: Any = source[path]
    new: Any = file[path]
    offset = first * variable.chunks[0]
    starts: list[tuple[int, ...]] = []
    old.id.chunk_iter(lambda chunk: starts.append(chunk.chunk_offset))
    for start in sorted(starts):
        mask, data = old.id.read_direct_chunk(start)
        new.id.write_direct_chunk((start[0] + offset, *start[1:]), data, mask)
    sums: Any = source[variable.checksums]
    file[variable.checksums][first : first + len(sums)] = sums[()]  # type: ignore[index]
