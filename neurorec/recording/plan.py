"""What a recording will hold, in which order, how large it is, and what would make it smaller."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np

from neurorec._words import duration_in_words, size_in_words
from neurorec.recording.options import Options
from neurorec.recording.shown import Viewing
from neurorec.recording.units import AbstractUnits, Sample, Selection, SpatialMean

LOGITS: Final = "logits"
#: Bytes of a chunk, about: small enough to decode for a few units, large enough to write at once.
_CHUNK_BYTES: Final = 4 * 2**20


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Units that are stored together: a state of an area, or the logits.

    Parameters
    ----------
    address
        ``area.state``, or ``logits``.
    shape
        Of the state for one trial.
    selection
        Which of its units are kept.
    repeated
        Whether trials of one stimulus differ; otherwise one of them is stored.
    """

    address: str
    shape: tuple[int, ...]
    selection: Selection
    dtype: str
    repeated: bool

    @property
    def n_units(self) -> int:
        """Units kept."""
        return self.selection.n_units


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Shape of a recording.

    Presentations are ordered by repetition, then stimulus; batches follow each other without
    regard to where a repetition ends. ``seconds`` is an estimate from a few trials.
    """

    options: Options
    populations: tuple[Population, ...]
    viewing: Viewing
    n_stimuli: int
    n_repetitions: int
    n_timesteps: int
    batch_size: int
    dt_ms: float | int
    noise: bool
    image_size: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def n_presentations(self) -> int:
        """Trials that are run."""
        return self.n_stimuli * self.n_repetitions

    @property
    def n_batches(self) -> int:
        """Batches in which they are run."""
        return -(-self.n_presentations // self.batch_size)

    def n_rows(self, population: Population) -> int:
        """Presentations of ``population`` that are stored."""
        return self.n_presentations if population.repeated else self.n_stimuli

    def rows(self, batch: int, n_rows: int) -> slice:
        """Presentations of ``batch`` among the first ``n_rows``."""
        start = batch * self.batch_size
        return slice(min(start, n_rows), min(start + self.batch_size, n_rows))

    def chunk_units(self, population: Population) -> int:
        """Units in one chunk of the file."""
        n_rows = min(self.batch_size, self.n_rows(population))
        row_bytes = n_rows * np.dtype(population.dtype).itemsize
        n_chunks = -(-population.n_units * row_bytes // _CHUNK_BYTES)
        return -(-population.n_units // n_chunks)

    def batches(self) -> Iterator[slice]:
        """Presentations shown together."""
        for batch in range(self.n_batches):
            yield self.rows(batch, self.n_presentations)

    def bytes_of(self, population: Population) -> int:
        """Size of one population on disk, uncompressed."""
        numbers = self.n_rows(population) * population.n_units * self.n_timesteps
        return numbers * np.dtype(population.dtype).itemsize

    @property
    def n_bytes(self) -> int:
        """Size of the activity, logits and images on disk, uncompressed."""
        frames = self.n_timesteps if self.viewing.frames else 1
        shown = self.n_stimuli * frames * 3 * self.image_size**2 if self.options.images else 0
        return shown + sum(self.bytes_of(p) for p in self.populations)

    def levers(self) -> dict[str, int]:
        """Changes that make the recording smaller, with the bytes that would remain."""
        found: dict[str, int] = {}
        recorded = [p for p in self.populations if p.address != LOGITS]
        images = self.n_bytes - sum(self.bytes_of(p) for p in self.populations)
        if self.n_repetitions > 1:
            half = self.n_repetitions // 2
            repeated = sum(self.bytes_of(p) for p in self.populations if p.repeated)
            found[f"repetitions={half}"] = int(
                self.n_bytes - repeated * (1 - half / self.n_repetitions)
            )
        if self.n_timesteps > 1:
            half = self.n_timesteps // 2
            still = 0 if self.viewing.frames else images
            found[f"timesteps={half}"] = still + (self.n_bytes - still) * half // self.n_timesteps
        if self.options.dtype == "float32":
            activity = sum(self.bytes_of(p) for p in recorded)
            found["dtype='float16'"] = self.n_bytes - activity // 2
        if self.options.images:
            found["images=False"] = self.n_bytes - images
        areas = Counter[str]()
        for population in recorded:
            areas[population.address.split(".")[0]] += self.bytes_of(population)
        if len(areas) > 1:
            largest, n_bytes = areas.most_common(1)[0]
            found[f"areas without {largest!r}"] = self.n_bytes - n_bytes
        for choice in (Sample(1000), SpatialMean()):
            if self.options.units != choice:
                found[f"units={choice}"] = self.n_bytes - sum(
                    self.bytes_of(p) - self.bytes_of(_chosen(p, choice)) for p in recorded
                )
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def __str__(self) -> str:
        width = max(len(p.address) for p in self.populations)
        lines = [
            f"{self.n_stimuli} stimuli × {self.n_repetitions} repetitions, {self.n_timesteps} "
            f"timesteps of {self.dt_ms:g} ms, batches of {self.batch_size}"
        ]
        lines += [
            f"  {p.address:{width}}  {self.n_rows(p)} × {p.n_units} units, {p.dtype}, "
            f"{size_in_words(self.bytes_of(p))}"
            for p in self.populations
        ]
        packed = f" before {self.options.compression}" if self.options.compression else ""
        lines.append(
            f"{size_in_words(self.n_bytes)}{packed}, about {duration_in_words(self.seconds)}"
        )
        return "\n".join([*lines, *self.notes])


def _chosen(population: Population, units: AbstractUnits) -> Population:
    """``population`` with another choice of units, if that is smaller."""
    selection = units.select(population.address, population.shape)
    return min(
        population, replace(population, selection=selection), key=lambda p: p.selection.n_units
    )


def check_space(plan: Plan, out: Path) -> None:
    """Refuse a recording that the disk cannot hold.

    Raises
    ------
    OSError
        Naming bytes needed, bytes free, and the argument that saves most.
    """
    folder = out.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    # Compressed, activity is rarely more than half; parts and file are there together at the end.
    if plan.n_bytes > free:
        change, remaining = next(iter(plan.levers().items()))
        raise OSError(
            f"the recording needs {size_in_words(plan.n_bytes)} and {folder} has "
            f"{size_in_words(free)} free; make space, or record less: {change} would need "
            f"{size_in_words(remaining)}"
        )
