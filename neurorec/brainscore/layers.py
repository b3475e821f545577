"""Scores of every area of a model at every timestep, from one pass over a benchmark's stimuli."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._layer_dataset import layer_dataset
from neurorec.brainscore.area_products import products_over_time
from neurorec.brainscore.at_timestep import AtTimestep, Layers
from neurorec.brainscore.benchmark_parts import (
    is_plain,
    places,
    responses_of,
    stimuli_on_screen,
)
from neurorec.brainscore.commitments import checked_areas
from neurorec.brainscore.sample_space import Form, form_of
from neurorec.brainscore.subjects import with_timesteps

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402
from brainscore_vision.benchmark_helpers.neural_common import explained_variance  # noqa: E402

#: Called with how many cells are scored and how many there are.
Progress = Callable[[int, int], Any]
#: Number of the area, number of the timestep, and what the benchmark says of them.
Cell = tuple[int, int, Score]


def layer_scores(
    model: Any,
    benchmark: Any,
    *,
    areas: str | Sequence[str] | None = None,
    timesteps: Sequence[int] | None = None,
    sample_space: bool = True,
    device: str = "cpu",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Score of each area of a model at each of its timesteps, as if that were the region.

    The score is the one that the benchmark gives to a model whose region is committed to this area
    and whose time bin holds this timestep alone. All are recorded in one pass over the stimuli.
    Where the metric needs only inner products over units (see ``sample_space.form_of``), those are
    summed in blocks, so that memory does not grow with the number of units, and the units of an
    area are never held together; otherwise the benchmark is called for each area and timestep.

    The best cell was chosen on the scores that are shown, so that its score is too high to be
    quoted; :func:`fit_regions` chooses on stimuli of their own.

    Parameters
    ----------
    model
        A :class:`NeurorecBrainModel`, whose commitments do not matter here, or any
        :class:`~neurorec.models.RecurrentModel`.
    benchmark
        Of :func:`benchmark`, or any benchmark of Brain-Score that asks for recordings.
    areas
        Names; ``"V4.c"`` is one state of an area. All areas if left out.
    timesteps
        Numbers, counted from 0; all of the model's if left out.
    sample_space
        Whether inner products stand for units where they can. If not, the metric is always called.
    device
        Where inner products are: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress
        Called with how many cells are scored and how many there are.

    Returns
    -------
    xr.Dataset
        ``score``, which is ``raw`` over the ``ceiling`` as the benchmark normalises it, and
        ``error``, the standard error over splits of ``raw`` (NaN where the metric has none), along
        ``area``, ``timestep`` and, where the benchmark has several time bins, ``time_bin``: each
        timestep predicts each of them. ``model_time_start`` and ``model_time_end`` say when a
        timestep lies, ``time_bin_start`` and ``time_bin_end`` when the responses were recorded.

    Raises
    ------
    ValueError
        If the model has no timesteps that are known, an area or timestep does not exist, the
        benchmark asks for a task, or its stimuli cannot be shown.
    """
    layers = _layers(model, areas, timesteps)
    form = _form(benchmark, device) if sample_space else None
    found = _called(layers, benchmark) if form is None else _formed(layers, benchmark, form, device)
    shape = (len(layers.areas), len(layers.timesteps))
    scores: dict[tuple[int, int], Score] = {}
    for number, step, score in found:
        scores[number, step] = score
        if progress is not None:
            progress(len(scores), shape[0] * shape[1])
    cells = [[scores[number, step] for step in range(shape[1])] for number in range(shape[0])]
    how = form.name if form else "called for each area and timestep"
    return layer_dataset(cells, layers, benchmark, how)


def _layers(
    model: Any, areas: str | Sequence[str] | None, timesteps: Sequence[int] | None
) -> Layers:
    timed = with_timesteps(model)
    return Layers(
        model=timed,
        areas=checked_areas(timed.model, areas),
        timesteps=_checked(timesteps, timed.timeline.n_timesteps),
    )


def _checked(timesteps: Sequence[int] | None, n_timesteps: int) -> tuple[int, ...]:
    if timesteps is None:
        return tuple(range(n_timesteps))
    asked = tuple(int(step) for step in timesteps)
    if not asked or len(set(asked)) < len(asked) or not set(asked) <= set(range(n_timesteps)):
        raise ValueError(
            f"timesteps must be distinct numbers from 0 to {n_timesteps - 1}, got {list(asked)}"
        )
    return tuple(sorted(asked))


def _form(benchmark: Any, device: str) -> Form | None:
    if not is_plain(benchmark):
        return None
    return form_of(benchmark._similarity_metric, responses_of(benchmark), device=device)


def _formed(layers: Layers, benchmark: Any, form: Form, device: str) -> Iterator[Cell]:
    """In sample space."""
    stimuli = stimuli_on_screen(benchmark, layers.model.visual_degrees())
    order = places(stimuli, responses_of(benchmark))
    kept = layers.kept(stimuli, benchmark._number_of_trials)
    ceiling = benchmark.ceiling
    for number, area in enumerate(layers.areas):
        over_time = products_over_time(kept, area, order, centred=form.centred, device=device)
        for step, products in enumerate(over_time):
            yield number, step, explained_variance(form.score(products), ceiling)


def _called(layers: Layers, benchmark: Any) -> Iterator[Cell]:
    """By the benchmark's own call."""
    for number, area in enumerate(layers.areas):
        for step in range(len(layers.timesteps)):
            yield number, step, _of_bins(benchmark(AtTimestep(layers, area, step)))


def _of_bins(score: Score) -> Score:
    """The scores of the time bins, where the benchmark made one number of them."""
    found = score.attrs.get("per_bin")
    if found is None or found.ndim != 1:
        return score
    found.attrs["error"] = found.attrs["raw"].attrs.get("error", np.nan)
    return found
