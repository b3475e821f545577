"""A model with timesteps as a subject of Brain-Score's benchmarks, in its own time."""

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd

from neurorec._checks import check_option
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.behaviour import (
    AGGREGATIONS,
    IMAGENET,
    SIMILARITIES,
    Behaviour,
    Features,
    LogisticReadout,
    chosen_labels,
    imagenet_synsets,
    members_of,
    odd_ones_out,
)
from neurorec.brainscore.commitments import Regions, checked_behaviour, checked_regions
from neurorec.brainscore.packaging import behavioral_assembly, neuroid_assembly
from neurorec.brainscore.passes import LOGITS, Kept, Pass, Passes, Viewer
from neurorec.brainscore.shown import as_brainio, shown_pixels
from neurorec.brainscore.time_bins import TimeBins, Timeline, as_time_bins
from neurorec.models import RecurrentModel
from neurorec.recording import Options

import_brainscore()

from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    BehavioralAssembly,
    NeuroidAssembly,
)
from brainscore_vision.model_interface import BrainModel  # noqa: E402

TASKS: Final = ("passive", "label", "probabilities", "odd_one_out")

Look = Callable[[Any, int, bool], NeuroidAssembly | BehavioralAssembly | None]


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
        What a timestep stands for; the model's if left out.
    onset_ms
        Time from stimulus onset to the start of the first timestep.
    timesteps
        As many as in training if left out.
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
        If an area does not exist or the model cannot run so long.
    """

    def __init__(
        self,
        model: RecurrentModel,
        regions: Regions,
        *,
        dt_ms: float | int | None = None,
        onset_ms: float | int = 0,
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
        timeline = Timeline(
            dt_ms=model.dt_ms if dt_ms is None else dt_ms,
            n_timesteps=model.timesteps if timesteps is None else timesteps,
            onset_ms=onset_ms,
        )
        model.check_time(timeline.n_timesteps)
        options = Options(noise=noise, seed=seed, units=units, batch_size=batch_size)
        self._viewer = Viewer(model=model, timeline=timeline, options=options, device=device)
        self._name = model.name if identifier is None else identifier
        self._visual_degrees = visual_degrees
        self.behaviour = checked_behaviour(model, behaviour or Behaviour())
        self._passes = Passes(folder=self._folder(cache_dir), progress=progress)
        self._look: Look | None = None

    def _folder(self, cache_dir: str | Path | None) -> Path:
        if cache_dir is not None:
            return Path(cache_dir)
        folder = tempfile.mkdtemp(prefix="neurorec-brainscore-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def identifier(self) -> str:
        """Name of the model and a digest of its weights, wiring and settings as they are now."""
        facts = {
            "viewer": self._viewer.plain(),
            "regions": self.regions,
            "behaviour": asdict(self.behaviour),
            "visual_degrees": self._visual_degrees,
        }
        text = json.dumps(facts, sort_keys=True)
        return f"{self._name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

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
        if region not in self.regions:
            raise ValueError(
                f"region {region!r} is not committed to an area of {self._name!r}, only "
                f"{list(self.regions)}; name it in regions"
            )
        self.timeline.weights(bins)  # an error comes before the pass

        def look(stimuli: Any, trials: int, each: bool) -> NeuroidAssembly:
            everywhere = tuple(dict.fromkeys(a for areas in self.regions.values() for a in areas))
            kept = self._kept(stimuli, everywhere, bins, trials, each)
            return neuroid_assembly(
                kept, region, self.regions[region], stimuli, bins, self.timeline
            )

        self._look = look

    def start_task(
        self,
        task: str,
        fitting_stimuli: Any = None,
        *,
        number_of_trials: int = 1,
        require_variance: bool = False,
        aggregation: str = "mean",
    ) -> None:
        """From now on :meth:`look_at` gives answers; a passive task changes nothing.

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
        check_option("task", str(task), TASKS)
        if task == "label":
            self._look = self._labelling(fitting_stimuli, aggregation)
        elif task == "probabilities":
            trials = _checked_trials(number_of_trials)
            self._look = self._judging(fitting_stimuli, trials, require_variance)
        elif task == "odd_one_out":
            self._look = self._comparing
        elif self._look is None:
            self._look = lambda stimuli, trials, each: None

    def look_at(
        self, stimuli: Any, number_of_trials: int = 1, require_variance: bool = False
    ) -> NeuroidAssembly | BehavioralAssembly | None:
        """What was asked for, of each of ``stimuli``.

        Parameters
        ----------
        stimuli
            A stimulus set of Brain-Score or of neurorec, or a list of paths of images.
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

    def _kept(
        self, stimuli: Any, populations: tuple[str, ...], bins: TimeBins, trials: int, each: bool
    ) -> Kept:
        asked = Pass(
            stimuli=shown_pixels(stimuli, self.model.input_size),
            populations=populations,
            time_bins=bins,
            trials=trials,
            each=each,
        )
        return self._passes.kept(self._viewer, asked)

    def _answer_bin(self) -> TimeBins:
        chosen = self.behaviour.time_bin_ms
        end = self.timeline.end_ms
        return as_time_bins([(end - self.timeline.dt_ms, end) if chosen is None else chosen])

    def _features(self, stimuli: Any, trials: int, each: bool) -> Features:
        """Activity of the areas that are read out, at the time of the answer."""
        areas = tuple(self.behaviour.areas or ())
        kept = self._kept(stimuli, areas, self._answer_bin(), trials, each)
        return np.concatenate([kept.values(a)[:, :, 0] for a in areas], axis=1).astype(float)

    def _labelling(self, choices: Any, aggregation: str) -> Look:
        aggregate = AGGREGATIONS[check_option("aggregation", aggregation, AGGREGATIONS)]
        labels = self.behaviour.labels
        if labels is None:
            raise ValueError(
                f"labels were asked of {self._name!r}, whose classes have no names; give it "
                "behaviour=Behaviour(labels=[...]), or 'imagenet'"
            )
        if choices is None:
            raise ValueError("a label task needs the labels to choose among, or 'imagenet'")
        synsets: dict[str, int] = {}
        if isinstance(choices, str):
            check_option("the domain of labels", choices, (IMAGENET,))
            synsets = {name: number for number, name in enumerate(imagenet_synsets())}
            choices, labels = list(synsets), list(synsets) if labels == IMAGENET else labels
        members = members_of([str(choice) for choice in choices], labels)

        def look(stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
            kept = self._kept(stimuli, (LOGITS,), self._answer_bin(), trials, each)
            found = chosen_labels(kept.values(LOGITS)[:, :, 0].astype(float), members, aggregate)
            coords: dict[str, Any] = {"label": ("presentation", found)}
            if synsets:
                coords["synset"] = ("presentation", found)
                coords["logit"] = ("presentation", [synsets[name] for name in found])
            return behavioral_assembly([found], ("choice", "presentation"), stimuli, coords)

        return look

    def _judging(self, fitting_stimuli: Any, trials: int, each: bool) -> Look:
        fitting = None if fitting_stimuli is None else as_brainio(fitting_stimuli)
        if fitting is None or "image_label" not in fitting:
            raise ValueError(
                "a probabilities task needs fitting_stimuli with a column 'image_label', got "
                f"{'none' if fitting is None else f'the columns {list(fitting)}'}"
            )
        features = self._features(fitting, trials, each)
        labels = np.tile(fitting["image_label"].to_numpy(), len(features) // len(fitting)).tolist()
        readout = LogisticReadout(features, labels, strength=self.behaviour.strength)

        def look(stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
            found = readout.probabilities(self._features(stimuli, trials, each))
            coords = {"choice": ("choice", readout.labels)}
            return behavioral_assembly(found, ("presentation", "choice"), stimuli, coords)

        return look

    def _comparing(self, stimuli: Any, trials: int, each: bool) -> BehavioralAssembly:
        """The odd one of every three consecutive stimuli; always of the average over trials."""
        names = stimuli["stimulus_id"].to_numpy()
        if len(names) % 3:
            raise ValueError(
                f"an odd-one-out task takes triplets, three stimuli each, got {len(names)} stimuli"
            )
        distinct = stimuli.drop_duplicates(subset=["stimulus_id"])
        similarities = SIMILARITIES[self.behaviour.similarity](
            self._features(distinct, trials, False)
        )
        number = {name: i for i, name in enumerate(distinct["stimulus_id"])}
        triplets = np.array([number[name] for name in names]).reshape(-1, 3)
        odd = distinct["stimulus_id"].to_numpy()[odd_ones_out(similarities, triplets)].tolist()
        joined = ["|".join(map(str, names[n : n + 3])) for n in range(0, len(names), 3)]
        shown = pd.DataFrame({"stimulus_id": joined})
        return behavioral_assembly([odd], ("choice", "presentation"), shown, {})


def _checked_trials(number_of_trials: Any) -> int:
    if not isinstance(number_of_trials, int | np.integer) or number_of_trials < 1:
        raise ValueError(f"number_of_trials must be at least 1, got {number_of_trials!r}")
    return int(number_of_trials)
