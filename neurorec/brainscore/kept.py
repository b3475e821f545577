"""Averages of activity over time bins in a file, which is read some neuroids at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import h5py
import numpy as np
from jaxtyping import Float

#: Of the block of units that is held at once.
BLOCK_BYTES: Final = 64 * 2**20
_TEXT: Final = h5py.string_dtype()

Columns = dict[str, np.ndarray]


@final
@dataclass(frozen=True)
class Kept:
    """Averages over time bins, in a file.

    Parameters
    ----------
    chosen
        Numbers of the time bins that count, in their order; all if None.
    """

    path: Path
    n_repetitions: int
    chosen: tuple[int, ...] | None = None

    def values(self, population: str) -> Float[np.ndarray, "presentation neuroid time_bin"]:
        """Activity; presentations are ordered by repetition, then stimulus."""
        with h5py.File(self.path, "r") as file:
            return self._read(file[population]["activity"], slice(None))  # type: ignore[index]

    def blocks(
        self, population: str, *, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[Float[np.ndarray, "presentation some_neuroids time_bin"]]:
        """The same values, some neuroids at a time: as many as ``block_bytes`` hold, at least 1."""
        with h5py.File(self.path, "r") as file:
            stored: Any = file[population]["activity"]  # type: ignore[index]
            n_bins, n_repetitions, n_stimuli, n_units = stored.shape
            size = n_repetitions * n_stimuli * n_bins * stored.dtype.itemsize
            n = max(block_bytes // size, 1)
            for start in range(0, n_units, n):
                yield self._read(stored, slice(start, start + n))

    def _read(
        self, stored: Any, units: slice
    ) -> Float[np.ndarray, "presentation neuroid time_bin"]:
        """Some units with one axis of presentations, and the time bins that count."""
        # (time_bin, repetition, stimulus, neuroid): a bin is read without the others.
        chosen = range(len(stored)) if self.chosen is None else self.chosen
        values = np.stack([stored[number, :, :, units] for number in chosen], axis=-1)
        flat = values.reshape(-1, *values.shape[2:])
        # Trials that noise does not reach are copies of one another, of which one was run.
        n_copies = self.n_repetitions // len(values)
        return flat if n_copies == 1 else np.tile(flat, (n_copies, 1, 1))

    def columns(self, population: str) -> Columns:
        """Labels of the neuroids."""
        with h5py.File(self.path, "r") as file:
            group: Any = file[population]["neuroid"]  # type: ignore[index]
            return {name: _column(group[name]) for name in group.attrs["order"]}


def _column(stored: Any) -> np.ndarray:
    if h5py.check_string_dtype(stored.dtype) is not None:
        return np.array(stored.asstr()[()].tolist())
    return stored[()]


def write_columns(group: Any, columns: Columns) -> None:
    """Labels of the neuroids, as :meth:`Kept.columns` reads them."""
    labels = group.create_group("neuroid")
    labels.attrs["order"] = list(columns)
    for name, values in columns.items():
        is_text = values.dtype.kind == "U"
        labels.create_dataset(
            name,
            data=values.astype(object) if is_text else values,
            dtype=_TEXT if is_text else None,
        )
