"""One area of a recording, to hand to an analysis that reads it in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from neurorec.recording.store import Recording


@final
@dataclass(frozen=True)
class RecordedArea:
    """Units of one area of a recording; nothing is read before it is asked for.

    Parameters
    ----------
    recording
        Where it lies.
    name
        Area, or ``area.state``.
    n_neuroids
        Number of its units.
    """

    recording: "Recording"
    name: str
    n_neuroids: int

    def labels(self) -> xr.DataArray:
        """Assembly of its first unit, for the coordinates of presentations and time bins."""
        return self.recording.load(self.name, neuroids=[0])

    def units(self) -> xr.DataArray:
        """Assembly of its first presentation, for the coordinates of units."""
        return next(self.recording.stream(self.name, over="presentation", block_bytes=1))

    def load(self, **options: Any) -> xr.DataArray:
        """Assembly of its units, see :meth:`Recording.load`."""
        return self.recording.load(self.name, **options)

    def stream(
        self, *, timesteps: Sequence[int] | None = None, block_bytes: int
    ) -> Iterator[xr.DataArray]:
        """Assemblies of consecutive units, none larger than ``block_bytes``."""
        return self.recording.stream(self.name, timesteps=timesteps, block_bytes=block_bytes)

    def pieces(self, *, block_bytes: int) -> Iterator[tuple[int, np.ndarray]]:
        """All activity in the order in which it lies, see :meth:`Recording.pieces`."""
        return self.recording.pieces(self.name, block_bytes=block_bytes)
