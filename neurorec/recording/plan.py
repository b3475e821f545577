"""What a recording will hold, how large it will be, and in which order it is made."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from neurorec._checks import check_option
from neurorec.models import RecurrentModel
from neurorec.stimuli import StimulusSet

DTYPES: Final = ("float32", "float16")
#: Names in a recording that are not the stimuli's.
OWN_COLUMNS: Final = frozenset(
    {"activity", "logits", "repetition", "neuroid_id", "region", "area", "channel", "row", "col"}
    | {"class", "class_index", "timestep", "time_bin_start", "time_bin_end"}
    | {"presentation", "neuroid", "time_bin", "stimulus"}
)


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """Shape of a recording.

    Presentations are ordered by repetition, then stimulus. An area that noise does not reach is
    stored for one repetition only: more would be copies.
    """

    areas: Mapping[str, tuple[int, ...]]
    stochastic: frozenset[str]
    n_stimuli: int
    n_repetitions: int
    n_timesteps: int
    n_classes: int
    batch_size: int
    dtype: str
    noise: bool
    seed: int

    def repetitions_of(self, area: str) -> int:
        """How many repetitions of ``area`` are stored."""
        return self.n_repetitions if area in self.stochastic else 1

    def n_units(self, area: str) -> int:
        """Units of ``area``."""
        return int(np.prod(self.areas[area]))

    @property
    def n_bytes(self) -> int:
        """Size of the activity on disk."""
        itemsize = np.dtype(self.dtype).itemsize
        stored = sum(self.n_units(a) * self.repetitions_of(a) for a in self.areas)
        logits = self.n_classes * self.n_repetitions * 4
        return self.n_stimuli * self.n_timesteps * (stored * itemsize + logits)

    def batches(self) -> Iterator[tuple[int, slice]]:
        """Pairs of repetition and the stimuli shown together."""
        for repetition in range(self.n_repetitions):
            for start in range(0, self.n_stimuli, self.batch_size):
                yield repetition, slice(start, min(start + self.batch_size, self.n_stimuli))

    def __str__(self) -> str:
        areas = ", ".join(
            f"{a} ({self.n_units(a)} units × {self.repetitions_of(a)} repetitions)"
            for a in self.areas
        )
        return (
            f"{self.n_stimuli} stimuli, {self.n_timesteps} timesteps, {areas}: "
            f"{self.n_bytes / 1e6:.1f} MB as {self.dtype}"
        )


def plan(
    model: RecurrentModel,
    stimuli: StimulusSet,
    *,
    areas: Sequence[str] | None = None,
    timesteps: int | None = None,
    repetitions: int = 1,
    noise: bool = False,
    seed: int = 0,
    dtype: str = "float32",
    batch_size: int = 64,
) -> Plan:
    """The recording that these arguments describe; see :func:`neurorec.record`.

    Raises
    ------
    ValueError
        If an area does not exist, a number is not positive, the model cannot run so long or has
        logits for every pixel, or repetitions are asked of a deterministic model.
    """
    check_option("dtype", dtype, DTYPES)
    chosen = tuple(model.area_shapes) if areas is None else tuple(areas)
    unknown = [a for a in chosen if a not in model.area_shapes]
    if unknown or not chosen:
        raise ValueError(f"no area {unknown}; this model has {list(model.area_shapes)}")
    steps = model.timesteps if timesteps is None else timesteps
    for name, value in (
        ("timesteps", steps),
        ("repetitions", repetitions),
        ("batch_size", batch_size),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    model.check_time(steps)
    if len(model.logits_shape) != 1:
        raise ValueError(
            f"{model.name!r} has logits for every pixel, {model.logits_shape}, and a recording "
            "holds one number per class; build the model with a readout that pools"
        )
    taken = sorted(set(stimuli.table) & OWN_COLUMNS)
    if taken:
        raise ValueError(
            f"the stimulus columns {taken} have names that a recording uses itself; rename them"
        )
    stochastic = model.stochastic_areas if noise else frozenset[str]()
    if repetitions > 1 and not stochastic:
        reason = (
            "noise is off"
            if not noise
            else f"{model.name!r} has no noise that differs between trials"
        )
        raise ValueError(
            f"{repetitions} repetitions would be {repetitions} copies of one another: {reason}; "
            "ask for one repetition, or for noise=True of a model that has noise"
        )
    return Plan(
        areas={a: model.area_shapes[a] for a in chosen},
        stochastic=stochastic & frozenset(chosen),
        n_stimuli=len(stimuli),
        n_repetitions=repetitions,
        n_timesteps=steps,
        n_classes=model.logits_shape[0],
        batch_size=batch_size,
        dtype=dtype,
        noise=noise,
        seed=seed,
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
    if plan.n_bytes > free:
        largest = max(plan.areas, key=lambda a: plan.n_units(a) * plan.repetitions_of(a))
        raise OSError(
            f"the recording needs {plan.n_bytes / 1e9:.2f} GB and {folder} has "
            f"{free / 1e9:.2f} GB free; record fewer repetitions or timesteps, leave out area "
            f"{largest!r}, or use dtype='float16'"
        )


def trial_seed(seed: int, stimulus_id: str, repetition: int) -> int:
    """Seed of one trial, which depends on nothing else that happens in the recording."""
    digest = hashlib.sha256(f"{seed}\0{repetition}\0{stimulus_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
