"""Populations as fits read them: block by block of units, whatever they lie in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, final, runtime_checkable

import numpy as np
import xarray as xr
from torch import Tensor

from neurorec.assemblies import TIME_BIN, build, check

#: First timestep, and activity (presentation, some units, some timesteps).
Piece = tuple[int, np.ndarray]

# Numbers of one block of units, as float64 at most 64 MiB; some copies of it live at a time.
_BLOCK: Final = 2**23


@runtime_checkable
class StreamedArea(Protocol):
    """An area that is read from a file, such as ``recording.area("IT")``."""

    @property
    def n_neuroids(self) -> int:
        """Number of units."""
        ...

    def labels(self) -> xr.DataArray:
        """Assembly of its first unit, for the coordinates of presentations and time bins."""
        ...

    def units(self) -> xr.DataArray:
        """Assembly of its first presentation, for the coordinates of units."""
        ...

    def stream(self, *, timesteps: Sequence[int], block_bytes: int) -> Iterator[xr.DataArray]:
        """Assemblies of consecutive units at some timesteps."""
        ...


@runtime_checkable
class OrderedArea(StreamedArea, Protocol):
    """A streamed area that knows how it lies in its file."""

    def pieces(self, *, block_bytes: int) -> Iterator[Piece]:
        """All of it in the order that is read fastest."""
        ...


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Activity of units over time, read block by block.

    Parameters
    ----------
    labels
        Assembly with its presentations and time bins; of its units perhaps only the first.
    n_neuroids
        Number of units.
    units
        Gives an assembly with all of them, and perhaps only the first presentation.
    blocks
        Function of timestep numbers that yields activity (presentation, some units, timestep);
        a second argument is how many numbers a block may have.
    ordered
        Gives :meth:`pieces` in an order of its own; in that of ``blocks`` if left out.
    in_ms
        Whether its time bins are known in ms.
    """

    labels: xr.DataArray
    n_neuroids: int
    units: Callable[[], xr.DataArray]
    blocks: Callable[..., Iterator[np.ndarray]]
    ordered: Callable[[int], Iterator[Piece]] | None = None
    in_ms: bool = True

    @property
    def n_times(self) -> int:
        """Number of timesteps."""
        return self.labels.sizes[TIME_BIN]

    def pieces(self, n_numbers: int) -> Iterator[Piece]:
        """All activity in the order in which it is read fastest, ``n_numbers`` at a time.

        Yields the first timestep of each piece, and (presentation, some units, some timesteps).
        """
        if self.ordered is not None:
            return self.ordered(n_numbers)
        return ((0, values) for values in self.blocks(range(self.n_times), n_numbers))


def as_population(features: Any) -> Population:
    """One population from an assembly, a streamed area or an array.

    Raises
    ------
    ValueError
        If ``features`` is none of them, or its labels are not those of an assembly.
    """
    if isinstance(features, xr.DataArray):
        return _of_assembly(check(features))
    if isinstance(features, StreamedArea):
        return _of_area(features)
    if isinstance(features, np.ndarray | Tensor):
        return _of_assembly(as_assembly(features, "unit"), in_ms=False)
    raise ValueError(
        "expected an assembly, an array (stimulus, unit, timestep) or an area such as "
        f'recording.area("IT"), got {type(features).__name__}'
    )


def as_populations(features: Any) -> dict[str, Population]:
    """Populations by name; one that has no name of its own is named by its first region.

    Raises
    ------
    ValueError
        If they differ in their timesteps, or there is none.
    """
    if not isinstance(features, Mapping):
        population = as_population(features)
        return {str(population.labels["region"].values[0]): population}
    found = {str(name): as_population(one) for name, one in features.items()}
    if not found:
        raise ValueError("expected the features of at least one area, got an empty mapping")
    times = {name: _times(population) for name, population in found.items()}
    first, *others = times
    for name in others:
        if not np.array_equal(times[first], times[name]):
            raise ValueError(
                f"areas must have the same timesteps, {first!r} has {times[first].shape[1]} and "
                f"{name!r} has {times[name].shape[1]}, or others; select the timesteps of both"
            )
    return found


def as_assembly(values: np.ndarray | Tensor, name: str) -> xr.DataArray:
    """Assembly of an array whose rows are stimuli; its time bins count, they are no ms.

    Raises
    ------
    ValueError
        If the array has not two or three dimensions.
    """
    numbers = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    if numbers.ndim not in (2, 3):
        raise ValueError(
            f"expected an array (stimulus, {name}) or (stimulus, {name}, time), got the shape "
            f"{numbers.shape}"
        )
    numbers = numbers[:, :, None] if numbers.ndim == 2 else numbers
    n_stimuli, n_neuroids, n_times = numbers.shape
    presentation: dict[str, Any] = {
        "stimulus_id": np.array([f"row-{i:06d}" for i in range(n_stimuli)]),
        "repetition": np.zeros(n_stimuli, dtype=np.int64),
    }
    neuroid: dict[str, Any] = {
        "neuroid_id": [f"{name}-{i}" for i in range(n_neuroids)],
        "region": [name] * n_neuroids,
    }
    return build(
        numbers,
        presentation=presentation,
        neuroid=neuroid,
        time_bin_start=np.arange(n_times),
        time_bin_end=np.arange(1, n_times + 1),
    )


def _times(population: Population) -> np.ndarray:
    labels = population.labels
    return np.stack([labels["time_bin_start"].values, labels["time_bin_end"].values])


def _of_assembly(assembly: xr.DataArray, *, in_ms: bool = True) -> Population:
    n_presentations, n_neuroids, _ = assembly.shape
    if not all(assembly.shape):
        raise ValueError(
            f"features need presentations, units and timesteps, got the shape {assembly.shape}"
        )

    def blocks(timesteps: Sequence[int], n_numbers: int = _BLOCK) -> Iterator[np.ndarray]:
        size = max(n_numbers // max(n_presentations * len(timesteps), 1), 1)
        for start in range(0, n_neuroids, size):
            yield assembly[:, start : start + size, _sliced(timesteps)].values

    return Population(
        labels=assembly,
        n_neuroids=n_neuroids,
        units=lambda: assembly,
        blocks=blocks,
        in_ms=in_ms,
    )


def _of_area(area: StreamedArea) -> Population:
    def blocks(timesteps: Sequence[int], n_numbers: int = _BLOCK) -> Iterator[np.ndarray]:
        for block in area.stream(timesteps=timesteps, block_bytes=4 * n_numbers):
            yield block.values

    return Population(
        labels=check(area.labels()),
        n_neuroids=area.n_neuroids,
        units=area.units,
        blocks=blocks,
        ordered=_in_order(area) if isinstance(area, OrderedArea) else None,
    )


def _in_order(area: OrderedArea) -> Callable[[int], Iterator[Piece]]:
    return lambda n_numbers: area.pieces(block_bytes=4 * n_numbers)


def _sliced(timesteps: Sequence[int]) -> slice | list[int]:
    """Consecutive timesteps as a slice, which copies nothing."""
    first, n = timesteps[0], len(timesteps)
    consecutive = list(timesteps) == list(range(first, first + n))
    return slice(first, first + n) if consecutive else list(timesteps)
