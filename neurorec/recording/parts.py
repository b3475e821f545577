"""The files of one recording: itself, or several parts that it shows as one.

A part holds the rows of some consecutive batches. Processes that record together write a part each;
a compressed recording has a part per batch until it is finished, because the places of compressed
chunks are not known before.
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from neurorec._checks import atomic_path
from neurorec._words import size_in_words
from neurorec.recording.layout import (
    JOURNAL,
    Variable,
    label,
    place,
    variables,
    write_journal,
    write_labels,
)
from neurorec.recording.plan import Plan
from neurorec.stimuli import StimulusSet


@final
@dataclass(frozen=True, kw_only=True)
class Part:
    """One file and the batches it holds, from ``first`` up to, not including, ``stop``."""

    path: Path
    first: int
    stop: int

    def holds(self, variable: Variable) -> Variable:
        """``variable`` with the rows that are in this part."""
        start, stop = self.rows(variable)
        return replace(variable, shape=(stop - start, *variable.shape[1:]))

    def rows(self, variable: Variable) -> tuple[int, int]:
        """First row of ``variable`` in this part, and the first after it."""
        size, n = variable.chunks[0], variable.shape[0]
        return min(self.first * size, n), min(self.stop * size, n)

    def has(self, variable: Variable) -> bool:
        """Whether any row of ``variable`` is in this part."""
        start, stop = self.rows(variable)
        return start < stop


def partition(plan: Plan, n_processes: int) -> tuple[tuple[int, int], ...]:
    """First and last batches of the parts in which ``plan`` is recorded; empty for one file."""
    if plan.options.compression is not None:
        return tuple((batch, batch + 1) for batch in range(plan.n_batches))
    if n_processes == 1:
        return ()
    shares = np.array_split(np.arange(plan.n_batches), n_processes)
    return tuple((int(share[0]), int(share[-1]) + 1) for share in shares if len(share))


def folder_of(out: Path) -> Path:
    """Where the parts of the recording ``out`` are."""
    return out.with_name(out.name + ".parts")


def labels_of(out: Path) -> Path:
    """Where the recording ``out`` without its activity is, as long as it has parts."""
    return folder_of(out) / "labels.h5"


def part_of(out: Path, first: int, stop: int) -> Part:
    """The part of ``out`` with these batches."""
    return Part(path=folder_of(out) / f"{first:08d}-{stop:08d}.h5", first=first, stop=stop)


def create(
    out: Path, plan: Plan, stimuli: StimulusSet, attrs: Mapping[str, Any], n_processes: int
) -> None:
    """The file ``out`` before its first batch: with room for the activity, or the parts' names.

    It is the same, whichever process makes it.

    Raises
    ------
    ValueError
        If parts of another recording are where those of this one would be.
    """
    _check_parts(out, attrs)
    found, borders = variables(plan), partition(plan, n_processes)
    with atomic_path(out) as partial:
        with h5py.File(partial, "w") as file:
            file.attrs.update(attrs)
            file.attrs["variables"] = json.dumps([asdict(v) for v in found.values()])
            file.attrs["compression"] = plan.options.compression or ""
            write_labels(file, plan, stimuli)
        if borders:
            folder_of(out).mkdir(exist_ok=True)
            with atomic_path(labels_of(out)) as copy:
                shutil.copyfile(partial, copy)
                sync(copy)
            with h5py.File(partial, "r+") as file:
                file.attrs["parts"] = json.dumps(borders)
                _show_parts(file, out, found, borders)
        else:
            with h5py.File(partial, "r+") as file:
                # Read from the file, as in a merge: HDF5 then puts everything at the same places.
                write_places(file, variables_in(file), plan.n_batches, None)
            reserve(partial)
        sync(partial)


def _check_parts(out: Path, attrs: Mapping[str, Any]) -> None:
    """Refuse parts that were left by another recording of this name: their batches look whole."""
    # Whoever sees a part of this recording sees its labels afterwards: they are made before.
    if any(folder_of(out).glob("[0-9]*.h5")):
        provenance = None
        if labels_of(out).exists():
            with h5py.File(labels_of(out), "r") as file:
                provenance = file.attrs.get("provenance")
        if provenance != attrs["provenance"]:
            raise ValueError(
                f"{folder_of(out)} holds parts of another recording, without its file; give "
                "another name or delete that folder"
            )


def write_places(
    file: h5py.File, found: Mapping[str, Variable], n_batches: int, compression: str | None
) -> None:
    """Empty variables, their axes named, and the journal."""
    for variable in found.values():
        file.require_group(variable.group)
        place(
            file,
            variable.path,
            variable.shape,
            variable.dtype,
            chunks=variable.chunks,
            compression=compression,
        )
        if all(dim in file[variable.group] for dim in variable.dims):  # type: ignore[operator]
            label(file, variable)
    write_journal(file, found, n_batches)


def _show_parts(
    file: h5py.File,
    out: Path,
    found: Mapping[str, Variable],
    borders: tuple[tuple[int, int], ...],
) -> None:
    """Variables that are virtual: what is there of the parts, and else what says it is not."""
    parts = [part_of(out, first, stop) for first, stop in borders]
    for variable in found.values():
        dtype = np.dtype(variable.dtype)
        shown = h5py.VirtualLayout(variable.shape, dtype)
        for part in parts:
            if part.has(variable):
                start, stop = part.rows(variable)
                # HDF5 takes a single % for the number of a block.
                name = f"{part.path.parent.name}/{part.path.name}".replace("%", "%%")
                shape = (stop - start, *variable.shape[1:])
                shown[start:stop] = h5py.VirtualSource(name, variable.path, shape, dtype)
        missing = np.nan if dtype.kind == "f" else 0
        file.create_virtual_dataset(variable.path, shown, fillvalue=missing)
        label(file, variable)


def parts_of(out: Path) -> tuple[Part, ...]:
    """Files that hold the activity of the recording ``out``; those not begun do not exist.

    Raises
    ------
    ValueError
        If they were left behind when ``out`` was moved.
    """
    with h5py.File(out, "r") as file:
        if "parts" not in file.attrs:
            return (Part(path=out, first=0, stop=len(file[JOURNAL])),)  # type: ignore[arg-type]
        borders = json.loads(str(file.attrs["parts"]))
    if not labels_of(out).exists():
        raise ValueError(
            f"{out} shows what is in {folder_of(out).name}, which is not beside it; put that "
            f"folder there, or delete {out.name} to record again"
        )
    return tuple(part_of(out, first, stop) for first, stop in borders)


def variables_in(file: h5py.File) -> dict[str, Variable]:
    """Every variable of a recording that was written batch by batch, by its path."""
    listed = json.loads(str(file.attrs["variables"]))
    found = [Variable(**{k: _frozen(v) for k, v in values.items()}) for values in listed]
    return {variable.path: variable for variable in found}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def reserve(path: Path) -> None:
    """Take the disk space of the whole file now.

    A full disk is then found before the first batch, not in the middle.

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
                f"{path.parent} has no room for a recording of {size_in_words(size)} "
                f"({error.strerror}); make space and run the same command again"
            ) from None


def sync(path: Path) -> None:
    """Wait until the file or folder at ``path`` is on the disk as it is."""
    file = os.open(path, os.O_RDONLY)
    try:
        flush(file)
    finally:
        os.close(file)


def flush(file: int) -> None:
    """Wait until what was written to an open file is on the disk."""
    try:
        os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
    except OSError as error:
        # Not every file system can; the data is then as safe as it makes it.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
