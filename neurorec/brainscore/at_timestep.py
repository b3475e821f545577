"""One area of a model at one timestep, as a subject that answers with nothing else."""

from dataclasses import dataclass, replace
from typing import Any, final

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.kept import Kept
from neurorec.brainscore.packaging import NeuroidAssembly, neuroid_assembly
from neurorec.brainscore.shown import as_brainio
from neurorec.brainscore.time_bins import TimeBins, as_time_bins

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402


@final
@dataclass(frozen=True, kw_only=True)
class Layers:
    """Areas and timesteps of a model, each of which may stand for a region."""

    model: NeurorecBrainModel
    areas: tuple[str, ...]
    timesteps: tuple[int, ...]

    @property
    def limits(self) -> TimeBins:
        """Start and end of each timestep, in ms from stimulus onset."""
        line = self.model.timeline
        edges = [line.onset_ms + line.dt_ms * step for step in range(line.n_timesteps + 1)]
        return tuple((float(edges[t]), float(edges[t + 1])) for t in self.timesteps)

    def kept(self, stimuli: Any, number_of_trials: int) -> Kept:
        """All of them, from one pass; that of an earlier call if there was one."""
        return self.model.activity(stimuli, self.areas, self.limits, number_of_trials)


@final
class AtTimestep(BrainModel):
    """A model of which every region, in every time bin, is one area at one timestep.

    Parameters
    ----------
    number
        Of the timestep in ``layers.timesteps``.
    """

    def __init__(self, layers: Layers, area: str, number: int) -> None:
        self._layers, self._area, self._number = layers, area, number
        self._asked: tuple[str, TimeBins] | None = None

    @property
    def identifier(self) -> str:
        """That of the model, with the area and timestep."""
        step = self._layers.timesteps[self._number]
        return f"{self._layers.model.identifier}-{self._area}-t{step}"

    def visual_degrees(self) -> float | int:
        """Degrees of visual angle that the model's input spans."""
        return self._layers.model.visual_degrees()

    def start_recording(self, recording_target: str, time_bins: Any) -> None:
        """From now on :meth:`look_at` gives the activity under the labels that are asked for."""
        self._asked = str(recording_target), as_time_bins(time_bins)

    def start_task(self, task: str, *_: Any, **__: Any) -> None:
        """Answers are no activity of an area.

        Raises
        ------
        ValueError
            Always, but for a passive task.
        """
        if str(task) != "passive":
            raise ValueError(
                f"the benchmark asks for a task, {task!r}; scores of areas and timesteps are those "
                "of recordings, choose a benchmark of neurons"
            )

    def look_at(self, stimuli: Any, number_of_trials: int = 1) -> NeuroidAssembly:
        """Activity at the timestep, the same in each time bin.

        Raises
        ------
        ValueError
            If nothing was asked for, or the stimuli cannot be shown.
        """
        if self._asked is None:
            raise ValueError("nothing was asked for: call start_recording first")
        region, bins = self._asked
        shown = as_brainio(stimuli)
        kept = self._layers.kept(shown, number_of_trials)
        kept = replace(kept, chosen=(self._number,) * len(bins))
        line = self._layers.model.timeline
        return neuroid_assembly(kept, region, (self._area,), shown, bins, line)
