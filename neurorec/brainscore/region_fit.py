"""Which areas of a model stand for a region, by fit on stimuli that are never scored."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import xarray as xr

from neurorec import __version__
from neurorec._checks import atomic_path, check_option
from neurorec.brainscore.benchmarks import benchmark
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.chosen_regions import ChosenRegions
from neurorec.brainscore.commitments import checked_areas
from neurorec.brainscore.greedy import Added, added_one_by_one
from neurorec.brainscore.local_data import loaded
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.region_file import FORMAT, read_training_stimuli
from neurorec.brainscore.sample_space import described
from neurorec.brainscore.subjects import with_timesteps
from neurorec.brainscore.training_stimuli import chosen_stimuli, digests, left_to_score
from neurorec.datasets.neural_data import NeuralData

Progress = Callable[[int, int], Any]
#: Metrics of which candidates share the inner products of the areas chosen before.
_METRICS: Final = ("pls", "ridge", "linear_predictivity")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RegionFit:
    """Areas of each region, and what was known when they were chosen.

    Parameters
    ----------
    regions
        Areas of each region, to be given to :func:`neurorec.brainscore.subject`, which then has the
        time of the model that was seen.
    scores
        ``score`` and ``error`` (region, n_areas, area): what predicts the training stimuli when
        ``area`` joins the areas chosen before, cross-validated within them; NaN where it is one of
        them or none was to be added. ``chosen`` marks what was. The best is too high to be quoted.
    training_stimuli
        Digest of the pixels of every stimulus on which the choice rests, by its identifier.
    provenance
        Model, data, metric, seed; made of what JSON can hold.
    """

    regions: Mapping[str, list[str]]
    scores: xr.Dataset
    training_stimuli: Mapping[str, str]
    provenance: Mapping[str, Any]

    def to_json(self, path: str | Path) -> Path:
        """Write regions, scores and provenance, whole or not at all; :func:`read_regions` reads."""
        content = {
            "format": FORMAT,
            "regions": dict(self.regions),
            "provenance": dict(self.provenance),
            "scores": _rows(self.scores),
            "training_stimuli": dict(self.training_stimuli),
        }
        path = Path(path)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return path


def fit_regions(
    model: Any,
    data: str | NeuralData,
    *,
    regions: str | Sequence[str] | None = None,
    areas: str | Sequence[str] | None = None,
    session: str | None = None,
    max_areas: int = 1,
    train_fraction: float | int = 0.5,
    seed: int = 0,
    metric: str | SampleSpaceMetric = "pls",
    visual_degrees: float | int | None = None,
    number_of_trials: int = 1,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> RegionFit:
    """Commit regions to the areas of a model that predict them best, on training stimuli.

    The score is that of Brain-Score's metric, cross-validated within the training stimuli, in
    the time bins of the data in which the model has timesteps; its mean over bins. The
    other stimuli are neither shown to the model nor are the responses to them read:
    :func:`held_out` gives them for a benchmark. Neurons are the same in both parts; another session
    (``train_fraction=1`` here) has others.

    With several ``max_areas``, the area that helps most joins those chosen before, as long as the
    mean improvement over splits is more than its standard error, corrected for the stimuli that
    splits share: a rule to stop, no test. Units of all areas have the same penalty, so that areas
    of large activity weigh more, as they do in Brain-Score.

    Parameters
    ----------
    model
        A :class:`NeurorecBrainModel`, whose own commitments do not matter here, or any
        :class:`~neurorec.models.RecurrentModel`.
    data
        Name of a data set with stimuli and responses, or one that is loaded.
    regions
        Of the data; all if left out.
    areas
        To choose from; all if left out.
    session, visual_degrees, number_of_trials, folder
        As in :func:`benchmark`.
    max_areas
        Most areas of a region.
    train_fraction
        Share of the stimuli on which the choice rests, at random; 1 is all of them.
    seed
        Of that draw.
    metric
        ``"pls"``, ``"ridge"`` or ``"linear_predictivity"``, or one of these with options, such as
        ``metric("pls", n_splits=5)``.
    progress
        Called with how many candidates are scored and how many there may be.

    Raises
    ------
    ValueError
        If an area, region or metric does not exist, there are too few stimuli, the model has no
        timestep in any time bin, or no area predicts anything.
    """
    if isinstance(metric, str):
        check_option("metric", metric, _METRICS)
    if max_areas < 1:
        raise ValueError(f"max_areas must be at least 1, got {max_areas}")
    whole = loaded(data, session)
    training = chosen_stimuli(whole, train_fraction, seed)
    options = {"metric": metric, "number_of_trials": number_of_trials, "folder": folder}
    # The ceiling is the same for all areas and is not looked at.
    options |= {"visual_degrees": visual_degrees, "ceiling": 1.0}
    calls = {r: benchmark(training, region=r, **options) for r in _regions(training, regions)}
    subject = with_timesteps(model)
    named = checked_areas(subject.model, areas)
    n_steps = min(max_areas, len(named))
    found = _found(subject, calls, named, n_steps, progress)
    metrics = {described(call._similarity_metric) for call in calls.values()}
    return RegionFit(
        regions=ChosenRegions(
            areas={region: [s.area for s in steps if s.joins] for region, steps in found.items()},
            timeline=subject.timeline,
        ),
        scores=_dataset(found, named, n_steps),
        training_stimuli=digests(training),
        provenance={
            "model": subject.identifier,
            "data": whole.identifier,
            "metric": ", ".join(sorted(metrics)),
            "areas": list(named),
            "max_areas": max_areas,
            "train_fraction": float(train_fraction),
            "seed": seed,
            "number_of_trials": number_of_trials,
            "timeline": _timeline(subject),
            "data_provenance": whole.provenance,
            "neurorec": __version__,
        },
    )


def _found(
    subject: NeurorecBrainModel,
    calls: Mapping[str, Any],
    areas: Sequence[str],
    n_steps: int,
    progress: Progress | None,
) -> dict[str, list[Added]]:
    """Steps of each region."""
    most = len(calls) * sum(len(areas) - step for step in range(n_steps))
    n_scored, found = 0, {}

    def advance() -> None:
        nonlocal n_scored
        n_scored += 1
        if progress is not None:
            progress(n_scored, most)

    for region, call in calls.items():
        found[region] = added_one_by_one(subject, call, areas, max_areas=n_steps, progress=advance)
    return found


def held_out(
    data: str | NeuralData, fitted: RegionFit | str | Path, *, session: str | None = None
) -> NeuralData:
    """The part of a data set on which a choice of regions does not rest, for :func:`benchmark`.

    Stimuli that look the same as one on which it rests are left out, whatever they are called and
    whichever session they are from.

    Parameters
    ----------
    fitted
        Result of :func:`fit_regions`, or the file that it was written to.
    session
        As in :func:`benchmark`.

    Raises
    ------
    ValueError
        If nothing is left, or the file does not say which stimuli were used.
    """
    if isinstance(fitted, RegionFit):
        training = fitted.training_stimuli
    else:
        training = read_training_stimuli(fitted)
    return left_to_score(loaded(data, session), training)


def _regions(data: NeuralData, asked: str | Sequence[str] | None) -> list[str]:
    assert data.assembly is not None
    there = np.unique(data.assembly["region"].values).tolist()
    wanted = there if asked is None else [asked] if isinstance(asked, str) else list(asked)
    for region in wanted:
        check_option("regions", region, there)
    return wanted


def _timeline(subject: NeurorecBrainModel) -> dict[str, float]:
    line = subject.timeline
    return {
        "dt_ms": float(line.dt_ms),
        "onset_ms": float(line.onset_ms),
        "timesteps": line.n_timesteps,
    }


def _dataset(
    found: Mapping[str, Sequence[Added]], areas: Sequence[str], n_steps: int
) -> xr.Dataset:
    shape = (len(found), n_steps, len(areas))
    numbers = {name: np.full(shape, np.nan) for name in ("score", "error")}
    chosen = np.zeros(shape, dtype=bool)
    for i, steps in enumerate(found.values()):
        for j, step in enumerate(steps):
            for name, values in (("score", step.scores), ("error", step.errors)):
                for area, value in values.items():
                    numbers[name][i, j, areas.index(area)] = value
            chosen[i, j, areas.index(step.area)] = step.joins
    dims = ("region", "n_areas", "area")
    return xr.Dataset(
        {**{k: (dims, v) for k, v in numbers.items()}, "chosen": (dims, chosen)},
        coords={
            "region": list(found),
            "n_areas": np.arange(1, n_steps + 1),
            "area": list(areas),
        },
    )


def _rows(scores: xr.Dataset) -> list[dict[str, Any]]:
    """One for each candidate that was scored."""
    table = scores.to_dataframe().reset_index()
    table = table[table["score"].notna()]
    return [dict(zip(table, row, strict=True)) for row in table.to_numpy(dtype=object).tolist()]
