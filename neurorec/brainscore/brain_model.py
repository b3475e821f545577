"""A model with timesteps as a subject of Brain-Score's benchmarks, in its own time."""

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, final

from neurorec._checks import check_option
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.behaviour import Behaviour
from neurorec.brainscore.chosen_regions import in_chosen_time
from neurorec.brainscore.commitments import (
    Regions,
    check_degrees,
    check_trials,
    checked_areas,
    checked_behaviour,
    checked_regions,
)
from neurorec.brainscore.kept import Kept
from neurorec.brainscore.packaging import BehavioralAssembly, NeuroidAssembly, neuroid_assembly
from neurorec.brainscore.passes import Pass, Passes, Viewer, planned_pass
from neurorec.brainscore.shown import as_brainio, shown_pixels
from neurorec.brainscore.tasks import TASKS, Look
from neurorec.brainscore.time_bins import TimeBins, Timeline, as_time_bins
from neurorec.models import RecurrentModel
from neurorec.recording import Options, Plan

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402


@final
class NeurorecBrainModel(BrainModel):
    """A recurrent model as Brain-Score's subject, which answers in its own time.

    A time bin of a benchmark is the average of the timesteps that fall into it, weighted by how
    much of each does; see :meth:`neurorec.brainscore.Timeline.weights`. All regions are recorded in
    one pass over the stimuli. What was recorded is found again by everything that determines it:
    the stimuli, areas, time bins, trials and noise, the weights, the wiring, and the version of
    neurorec.

    Trials differ by their noise alone. They are averaged, as Brain-Score's interface wants it and
    its metrics need it; with ``require_variance`` each is a presentation of its own.

    Parameters
    ----------
    model
        Any :class:`~neurorec.models.RecurrentModel`: a wiring, or a torch module in an adapter of
        :mod:`neurorec.models.adapters`.
    regions
        Area, or several, that each region is committed to: ``{"V4": "V4", "IT": ["PIT", "AIT"]}``.
        ``"V4.c"`` names one state of an area.
    dt_ms
        What a timestep stands for; if left out that at which ``regions`` were chosen where it is
        known, else the model's.
    onset_ms
        Time from stimulus onset to the start of the first timestep; if left out as ``dt_ms``,
        else 0.
    timesteps
        If left out as ``dt_ms``, else as many as in training.
    identifier
        Name of the model; its own if left out. The property adds a digest of all that determines
        the answers, since Brain-Score keeps results under this name alone.
    visual_degrees
        What the model's input spans. Benchmarks place their stimuli on such a screen.
    behaviour
        What labels, probabilities and the odd one out are read from.
    noise
        Whether it acts, where the model has any.
    seed
        Of the noise, which follows from it, the stimulus and the number of the trial alone.
    units
        Of each area, as in :func:`neurorec.record`.
    device, batch_size
        As in :func:`neurorec.record`.
    cache_dir
        Folder in which recordings are kept for other processes; if left out, they are deleted with
        this object.
    progress
        Called with the number of presentations after each batch.

    Raises
    ------
    ValueError
        If an area does not exist, the model cannot run so long, or its input has no width.
    """

    def __init__(
        self,
        model: RecurrentModel,
        regions: Regions,
        *,
        dt_ms: float | int | None = None,
        onset_ms: float | int | None = None,
        timesteps: int | None = None,
        identifier: str | None = None,
        visual_degrees: float | int = 8,
        behaviour: Behaviour | None = None,
        noise: bool = True,
        seed: int = 0,
        units: Any = "all",
        device: str = "auto",
        batch_size: int | str = "auto",
        cache_dir: str | Path | None = None,
        progress: Callable[[int], Any] = lambda n_presentations: None,
    ) -> None:
        self.regions = checked_regions(model, regions)
        check_degrees(visual_degrees)
        given = {"dt_ms": dt_ms, "onset_ms": onset_ms, "timesteps": timesteps}
        timeline = _timeline(model, in_chosen_time(regions, given))
        model.check_time(timeline.n_timesteps)
        options = Options(noise=noise, seed=seed, units=units, batch_size=batch_size)
        self._viewer = Viewer(model=model, timeline=timeline, options=options, device=device)
        self._name = model.name if identifier is None else identifier
        self._visual_degrees = visual_degrees
        self.behaviour = checked_behaviour(model, behaviour or Behaviour())
        self._cache_dir, self._progress = cache_dir, progress
        self._passes = Passes(folder=self._folder(cache_dir), progress=progress)
        self._look: Look | None = None
        self._recording: Look | None = None
        self._expected: dict[str, TimeBins] = {}

    def _folder(self, cache_dir: str | Path | None) -> Path:
        if cache_dir is not None:
            return Path(cache_dir).expanduser()
        folder = tempfile.mkdtemp(prefix="neurorec-brainscore-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def identifier(self) -> str:
        """Name of the model and a digest of its weights, wiring and settings as they are now."""
        text = json.dumps(self.facts(), sort_keys=True)
        return f"{self._name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def facts(self) -> dict[str, Any]:
        """All that determines the answers, as plain values: weights by their digest."""
        return {
            "viewer": self._viewer.plain(),
            "regions": self.regions,
            "behaviour": asdict(self.behaviour),
            "visual_degrees": float(self._visual_degrees),
        }

    def with_model(self, model: RecurrentModel, identifier: str) -> "NeurorecBrainModel":
        """Another model with the regions, the time, the noise and all else of this one.

        Raises
        ------
        ValueError
            If it lacks an area of this one.
        """
        how = {
            "device": self._viewer.device,
            "batch_size": self._viewer.options.batch_size,
            "cache_dir": self._cache_dir,
            "progress": self._progress,
        }
        settings = {**self.settings, "identifier": identifier, **how}
        return NeurorecBrainModel(model, self.regions, **settings)

    @property
    def name(self) -> str:
        """What the model is called, without the digest."""
        return self._name

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments that make an equal subject of the same model and regions."""
        options = self._viewer.options
        return {
            "dt_ms": self.timeline.dt_ms,
            "onset_ms": self.timeline.onset_ms,
            "timesteps": self.timeline.n_timesteps,
            "identifier": self._name,
            "visual_degrees": self._visual_degrees,
            "behaviour": self.behaviour,
            "noise": bool(options.noise),
            "seed": options.seed,
            "units": options.units,
        }

    @property
    def model(self) -> RecurrentModel:
        """What is run."""
        return self._viewer.model

    @property
    def timeline(self) -> Timeline:
        """When the model's timesteps lie."""
        return self._viewer.timeline

    def visual_degrees(self) -> float | int:
        """Degrees of visual angle that the model's input spans."""
        return self._visual_degrees

    def expect(self, recordings: Mapping[str, Any]) -> None:
        """Say what benchmarks are going to ask, so that one pass over their stimuli records it all.

        Nothing that is recorded changes by it. Until the next call a pass takes these regions and
        time bins and those that are asked for; without any it takes all regions. Regions that are
        not committed to an area and time bins in which the model has no timestep are left out: the
        benchmark that asks for them has its error when it does.

        Parameters
        ----------
        recordings
            Time bins of each region, in ms from stimulus onset.
        """
        self._expected = {
            region: tuple(b for b in as_time_bins(bins) if self.timeline.coverage((b,))[0] > 0)
            for region, bins in recordings.items()
            if region in self.regions
        }

    def start_recording(self, recording_target: str, time_bins: Any) -> None:
        """From now on :meth:`look_at` gives the activity of a region.

        Parameters
        ----------
        recording_target
            Region, one of those committed to.
        time_bins
            Start and end of each, in ms from stimulus onset.

        Raises
        ------
        ValueError
            If the region is not committed to an area, or the model has no timestep in a time bin.
        """
        region, bins = str(recording_target), as_time_bins(time_bins)
        self._check_asked(region, bins)  # an error comes before the pass

        def look(stimuli: Any, trials: int, each: bool) -> NeuroidAssembly:
            areas, recorded = self._recorded(region, bins)
            kept = self._kept(stimuli, areas, recorded, trials, each)
            kept = replace(kept, chosen=tuple(recorded.index(one) for one in bins))
            return neuroid_assembly(
                kept, region, self.regions[region], stimuli, bins, self.timeline
            )

        self._look = self._recording = look

    def planned(self, region: str, time_bins: Any, stimuli: Any, number_of_trials: int = 1) -> Plan:
        """What a pass over the stimuli would record, besides what is expected; nothing is kept.

        A few trials are run, from which the plan tells sizes and time. Its bytes are of all
        timesteps; of these a pass holds a part at any time, and keeps the averages.

        Raises
        ------
        ValueError
            As :meth:`start_recording` and :meth:`look_at`.
        """
        self._check_asked(region, as_time_bins(time_bins))
        areas, bins = self._recorded(region, as_time_bins(time_bins))
        asked = self._pass(as_brainio(stimuli), areas, bins, _checked_trials(number_of_trials))
        return planned_pass(self._viewer, asked)

    def expected_bins(self, region: str, time_bins: Any) -> TimeBins:
        """Time bins of a pass that is made for ``region``, with those that are expected."""
        return self._recorded(region, as_time_bins(time_bins))[1]

    def _check_asked(self, region: str, bins: TimeBins) -> None:
        if region not in self.regions:
            raise ValueError(
                f"region {region!r} is not committed to an area of {self._name!r}, only "
                f"{list(self.regions)}; name it in regions"
            )
        self.timeline.weights(bins)

    def _recorded(self, region: str, bins: TimeBins) -> tuple[tuple[str, ...], TimeBins]:
        """Areas and time bins of a pass that holds what is asked and what is expected."""
        regions = {region, *self._expected} if self._expected else set(self.regions)
        areas = [a for name, areas in self.regions.items() if name in regions for a in areas]
        expected = [one for several in self._expected.values() for one in several]
        return tuple(dict.fromkeys(areas)), tuple(sorted({*bins, *expected}))

    def start_task(
        self,
        task: str,
        fitting_stimuli: Any = None,
        *,
        number_of_trials: int = 1,
        require_variance: bool = False,
        aggregation: str = "mean",
    ) -> None:
        """From now on :meth:`look_at` gives answers; in a passive task, the last recording again.

        Parameters
        ----------
        task
            ``passive``, ``label``, ``probabilities`` or ``odd_one_out``.
        fitting_stimuli
            Of probabilities, stimuli with a column ``image_label``; of labels, those to choose
            among, or ``"imagenet"``.
        number_of_trials, require_variance
            Of the fitting stimuli; see :meth:`look_at`.
        aggregation
            ``mean`` or ``max``: from the probabilities of classes that share a label to its own.

        Raises
        ------
        ValueError
            If the task is unknown, or lacks stimuli or labels that it needs.
        """
        check_option("task", str(task), ("passive", *TASKS))
        if task == "passive":
            self._look = self._recording or (lambda stimuli, trials, each: None)
            return
        trials = _checked_trials(number_of_trials)
        self._look = TASKS[task](
            self._at_answer,
            self.behaviour,
            fitting_stimuli,
            trials,
            require_variance,
            aggregation,
        )

    def look_at(
        self, stimuli: Any, number_of_trials: int = 1, require_variance: bool = False
    ) -> NeuroidAssembly | BehavioralAssembly | None:
        """What was asked for, of each of ``stimuli``.

        Parameters
        ----------
        stimuli
            A stimulus set of Brain-Score, or a list of paths of images.
        number_of_trials
            Trials of every stimulus, each with noise of its own. A model without noise, and an
            area that noise does not reach, is run once.
        require_variance
            Whether every trial is a presentation, numbered by ``repetition``. Otherwise activity
            is averaged over trials, and answers follow from the average.

        Raises
        ------
        ValueError
            If nothing was asked for, or the stimuli cannot be shown.
        """
        if self._look is None:
            raise ValueError("nothing was asked for: call start_recording or start_task first")
        return self._look(as_brainio(stimuli), _checked_trials(number_of_trials), require_variance)

    def activity(
        self, stimuli: Any, areas: str | Sequence[str], time_bins: Any, number_of_trials: int = 1
    ) -> Kept:
        """Averages over trials of any areas in any time bins, in a file that is read in blocks.

        Without a ``cache_dir`` the file is gone when this object is.

        Parameters
        ----------
        stimuli, number_of_trials
            As in :meth:`look_at`.
        areas
            Also such as no region is committed to.
        time_bins
            As in :meth:`start_recording`.

        Raises
        ------
        ValueError
            If an area does not exist, the model has no timestep in a time bin, or the stimuli
            cannot be shown.
        """
        named = checked_areas(self.model, areas)
        bins, trials = as_time_bins(time_bins), _checked_trials(number_of_trials)
        self.timeline.weights(bins)
        return self._kept(as_brainio(stimuli), named, bins, trials, False)

    def _kept(
        self, stimuli: Any, populations: tuple[str, ...], bins: TimeBins, trials: int, each: bool
    ) -> Kept:
        return self._passes.kept(self._viewer, self._pass(stimuli, populations, bins, trials, each))

    def _pass(
        self,
        stimuli: Any,
        populations: tuple[str, ...],
        bins: TimeBins,
        trials: int,
        each: bool = False,
    ) -> Pass:
        return Pass(
            stimuli=shown_pixels(stimuli, self.model.input_size),
            populations=populations,
            time_bins=bins,
            trials=trials,
            each=each,
        )

    def _at_answer(
        self, stimuli: Any, populations: tuple[str, ...], trials: int, each: bool
    ) -> Kept:
        chosen, end = self.behaviour.time_bin_ms, self.timeline.end_ms
        limits = (end - self.timeline.dt_ms, end) if chosen is None else chosen
        return self._kept(stimuli, populations, as_time_bins([limits]), trials, each)


def _timeline(model: RecurrentModel, asked: Mapping[str, Any]) -> Timeline:
    """The model's own time where nothing else is asked for."""
    usual = {"dt_ms": model.dt_ms, "onset_ms": 0, "timesteps": model.timesteps}
    time = {name: own if asked[name] is None else asked[name] for name, own in usual.items()}
    return Timeline(dt_ms=time["dt_ms"], n_timesteps=time["timesteps"], onset_ms=time["onset_ms"])


def _checked_trials(number_of_trials: Any) -> int:
    check_trials(number_of_trials)
    return int(number_of_trials)
