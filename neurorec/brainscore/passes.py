"""One pass of a model over stimuli, of which the averages over time bins are kept."""

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, final

import h5py
import numpy as np
from jaxtyping import Float

from neurorec import __version__
from neurorec._checks import atomic_path
from neurorec.assemblies import NEUROID, columns_of
from neurorec.brainscore.kept import BLOCK_BYTES, Columns, Kept, write_columns
from neurorec.brainscore.time_bins import TimeBins, Timeline
from neurorec.models import RecurrentModel
from neurorec.recording import Options, Plan, Recording, plan, record
from neurorec.recording.recorder import weights_sha256
from neurorec.stimuli import StimulusSet

#: What a pass calls the logits, which are no area.
LOGITS: Final = "logits"
#: Of the recording that exists at any one time, before it is averaged over time and trials.
RECORDING_BYTES: Final = 2**30
#: Changes when kept files mean something else.
_FORMAT: Final = 2


@final
@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A model and how it is run: all that a pass depends on, besides what is asked of it.

    Parameters
    ----------
    timeline
        When its timesteps lie.
    options
        Noise, seed, units and size of batches; see :func:`neurorec.record`.
    """

    model: RecurrentModel
    timeline: Timeline
    options: Options
    device: str = "auto"

    def plain(self) -> dict[str, Any]:
        """All that determines the activity, as plain values."""
        options = {k: v for k, v in self.options.plain().items() if k != "batch_size"}
        return {
            "model": self.model.description(),
            "weights_sha256": weights_sha256(self.model),
            "dt_ms": float(self.timeline.dt_ms),
            "onset_ms": float(self.timeline.onset_ms),
            "timesteps": self.timeline.n_timesteps,
            "options": options,
            "neurorec": __version__,
        }


@final
@dataclass(frozen=True, kw_only=True)
class Pass:
    """What is asked of one pass.

    Parameters
    ----------
    stimuli
        What is shown; of its columns only ``stimulus_id`` counts.
    populations
        Areas, ``area.state``, or ``logits``.
    trials
        Of every stimulus.
    each
        Whether every trial is kept, and not their average.
    """

    stimuli: StimulusSet
    populations: tuple[str, ...]
    time_bins: TimeBins
    trials: int = 1
    each: bool = False

    def plain(self) -> dict[str, Any]:
        """As plain values; stimuli by what they show."""
        return {
            "stimuli_sha256": self.stimuli.sha256(),
            "populations": sorted(self.populations),
            "time_bins": self.time_bins,
            "trials": self.trials,
            "each": self.each,
        }


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Passes:
    """The passes that were made, in ``folder``.

    Files are named by a digest of everything that determines their content: the stimuli, what is
    recorded, when, how often and with which noise, the weights and the wiring, and the version of
    neurorec. Nothing else is a key, so that nothing found is out of date.
    """

    folder: Path
    progress: Callable[[int], Any] = field(default=lambda n_presentations: None)

    def kept(self, viewer: Viewer, asked: Pass) -> Kept:
        """What was kept of this pass; it is made if there is none.

        Trials that cannot differ are one, so that benchmarks that ask for few and for many share
        its pass.
        """
        n_repetitions = asked.trials if asked.each else 1
        if not _differs(viewer, asked):
            asked = replace(asked, trials=1, each=False)
        facts = {"format": _FORMAT, "viewer": viewer.plain(), "pass": asked.plain()}
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        path = self.folder / f"{key}.h5"
        if not _is_readable(path):
            with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
                file.attrs["facts"] = json.dumps(facts, sort_keys=True)
                self._make(file, viewer, asked)
        return Kept(path, n_repetitions)

    def _make(self, file: h5py.File, viewer: Viewer, asked: Pass) -> None:
        weights = viewer.timeline.weights(asked.time_bins)
        last = int(np.flatnonzero(weights.any(axis=0))[-1])
        options = _options(viewer, asked, n_timesteps=last + 1)
        how = {"device": viewer.device, "progress": self.progress}
        with tempfile.TemporaryDirectory(prefix=".pass-", dir=self.folder) as folder:
            out = Path(folder) / "recording.h5"
            for part, stimuli, settings in _parts(viewer, asked.stimuli, options):
                recording = record(viewer.model, stimuli, out=out, **how, **settings)
                for population in asked.populations:
                    _keep(file, recording, population, part, asked, weights)
                out.unlink()


def _is_readable(path: Path) -> bool:
    """Whether there is such a file; a damaged one counts as none and is made again."""
    try:
        with h5py.File(path, "r") as file:
            return "facts" in file.attrs
    except OSError:
        return False


def planned_pass(viewer: Viewer, asked: Pass) -> Plan:
    """Plan of all that a pass records before it averages, from a few trials."""
    last = np.flatnonzero(viewer.timeline.weights(asked.time_bins).any(axis=0))[-1]
    options = _options(viewer, asked, n_timesteps=int(last) + 1)
    settings = {name: getattr(options, name) for name in options.__dataclass_fields__}
    return plan(viewer.model, asked.stimuli, device=viewer.device, **settings)


def _differs(viewer: Viewer, asked: Pass) -> bool:
    """Whether trials of one stimulus do, because noise reaches what is recorded."""
    stochastic = viewer.model.stochastic_areas if viewer.options.noise else frozenset[str]()
    areas = [name for name in asked.populations if name != LOGITS]
    return any(area.split(".", 1)[0] in stochastic for area in areas) or (
        LOGITS in asked.populations and bool(stochastic)
    )


def _options(viewer: Viewer, asked: Pass, n_timesteps: int) -> Options:
    """Of the recording: as many timesteps as are needed, and trials only where they differ."""
    areas = [name for name in asked.populations if name != LOGITS]
    differs = _differs(viewer, asked)
    return replace(
        viewer.options,
        # Logits are always recorded, beside at least one area.
        areas=areas or [next(iter(viewer.model.area_shapes))],
        timesteps=n_timesteps,
        repetitions=asked.trials if differs else 1,
        noise=differs,
        dt_ms=viewer.timeline.dt_ms,
        images=False,
    )


def _parts(
    viewer: Viewer, stimuli: StimulusSet, options: Options
) -> Iterator[tuple[slice, StimulusSet, dict[str, Any]]]:
    """Stimuli whose recordings have bounded sizes, their places, and how they are recorded.

    The noise of a trial follows from its stimulus and number, so that parts change nothing.
    """
    settings = {name: getattr(options, name) for name in options.__dataclass_fields__}
    n = len(stimuli)
    # A plan, for which the model is run, is made only where all of all areas might be too much.
    numbers = sum(math.prod(shape) for shape in viewer.model.area_shapes.values())
    if 4 * numbers * viewer.timeline.n_timesteps * options.repetitions * n > RECORDING_BYTES:
        planned = plan(viewer.model, stimuli, device=viewer.device, **settings)
        n = max(RECORDING_BYTES * n // max(planned.n_bytes, 1), 1)
    for start in range(0, len(stimuli), n):
        part = slice(start, min(start + n, len(stimuli)))
        yield part, stimuli.select(part), settings


def _keep(
    file: h5py.File,
    recording: Recording,
    population: str,
    part: slice,
    asked: Pass,
    weights: Float[np.ndarray, "time_bin timestep"],
) -> None:
    """Average one population of a recording over time bins, and over trials, into ``file``."""
    group, labels = file.require_group(population), []
    timesteps = np.flatnonzero(weights.any(axis=0))
    for units, values, columns in _blocks(recording, population, timesteps):
        binned = _binned(values, weights[:, timesteps])
        trials = binned.reshape(-1, part.stop - part.start, *binned.shape[1:])
        if not asked.each:
            trials = trials.mean(axis=0, keepdims=True)
        n_units = _n_units(recording, population)
        shape = (len(weights), len(trials), len(asked.stimuli), n_units)
        stored = group.require_dataset("activity", shape, "f4")
        stored[:, :, part, units] = np.moveaxis(trials, -1, 0)
        labels.append(columns)
    if part.start == 0:
        write_columns(group, {k: np.concatenate([c[k] for c in labels]) for k in labels[0]})


def _binned(
    values: Float[np.ndarray, "presentation neuroid timestep"],
    weights: Float[np.ndarray, "time_bin timestep"],
) -> Float[np.ndarray, "presentation neuroid time_bin"]:
    """Averages over time bins, each summed in the order of its own timesteps.

    A matrix product rounds by how many bins and units are multiplied together; what a benchmark
    gets must not depend on what else is recorded.
    """
    binned = np.zeros((*values.shape[:2], len(weights)))
    for number, timestep in np.argwhere(weights):
        binned[:, :, number] += weights[number, timestep] * values[:, :, timestep]
    return binned


def _blocks(
    recording: Recording, population: str, timesteps: np.ndarray
) -> Iterator[tuple[slice, Float[np.ndarray, "presentation neuroid timestep"], Columns]]:
    """Some units at a time: which, their activity at ``timesteps``, and their labels."""
    if population == LOGITS:
        logits = recording.logits()
        columns = {"class_index": logits["class_index"].values}
        yield slice(0, logits.shape[1]), logits.values[:, :, timesteps], columns
        return
    first, chosen = 0, timesteps.tolist()
    for block in recording.stream(population, timesteps=chosen, block_bytes=BLOCK_BYTES):
        units = slice(first, first + block.sizes[NEUROID])
        yield units, block.values, columns_of(block, NEUROID)
        first = units.stop


def _n_units(recording: Recording, population: str) -> int:
    if population == LOGITS:
        return recording.logits().shape[1]
    return recording.area(population).n_neuroids
