"""Benchmarks whose responses have several time bins: one number, and what it is made of."""

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, final

import numpy as np
import xarray as xr

from neurorec.assemblies import NEUROID, PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import mean_of_known, over_splits
from neurorec.brainscore.cross_temporal import CrossTemporalMetric
from neurorec.brainscore.object_solution_times import I1
from neurorec.brainscore.unique_late import UniqueLateMetric
from neurorec.dynamics.decoding import labels_of
from neurorec.dynamics.image_scores import ImageDecoder
from neurorec.dynamics.object_solution import object_solution_reliability, object_solution_times

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    BehavioralAssembly,
)
from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark  # noqa: E402
from brainscore_vision.benchmark_helpers.screen import place_on_screen  # noqa: E402
from brainscore_vision.benchmarks import ceil_score  # noqa: E402

#: d′ at which an image counts as solved, of data that do not say what the animal achieved.
THRESHOLD: Final = 1.0


class TemporalBenchmark(NeuralBenchmark):
    """A benchmark whose score is one number over all time bins; see :func:`over_time`."""

    def __call__(self, candidate: Any) -> Score:
        """Score of ``candidate``."""
        raw = self._similarity_metric(self._seen(candidate), self._assembly)
        return over_time(self._similarity_metric, raw, self.ceiling)

    def _seen(self, candidate: Any) -> Any:
        candidate.start_recording(self.region, time_bins=self.timebins)
        stimuli = place_on_screen(
            self._assembly.stimulus_set,
            target_visual_degrees=candidate.visual_degrees(),
            source_visual_degrees=self._visual_degrees,
        )
        return candidate.look_at(stimuli, number_of_trials=self._number_of_trials)


@final
class ObjectSolutionBenchmark(TemporalBenchmark):
    """Object solution times of a model against those of the recorded neurons.

    Those of the neurons follow from image-disjoint folds of single trials. An image is solved at
    its ``i1`` where the responses have this label, such as the behavioural I1 of monkeys, and else
    at :data:`THRESHOLD`; for model and neurons alike. The ceiling, by which the rank correlation is
    divided, is that of halves of the repetitions.

    Parameters
    ----------
    trials
        Responses of single trials, with the objects.
    settings
        Those of ``NeuralBenchmark``; the ceiling is a number or left out.
    """

    def __init__(
        self, *, trials: xr.DataArray, ceiling: float | int | None, **settings: Any
    ) -> None:
        self.trials = trials
        label = settings["similarity_metric"].decoder.label
        self.decoder = ImageDecoder(label=label, n_folds=_n_folds(trials, label))
        self.threshold = I1 if I1 in trials.coords else THRESHOLD

        def reliability() -> Score:
            return self._reliability() if ceiling is None else Score(float(ceiling))

        super().__init__(ceiling_func=reliability, **settings)

    def __call__(self, candidate: Any) -> Score:
        """Score of ``candidate``."""
        target = self.target
        raw = self._similarity_metric(self._seen(candidate), target)
        return ceil_score(raw, self.ceiling)

    @cached_property
    def target(self) -> BehavioralAssembly:
        """Times at which the neurons solve each image, in ms, with their ``i1``."""
        found = object_solution_times(self.trials, threshold=self.threshold, decoder=self.decoder)
        times = found["object_solution_time_ms"]
        if np.isfinite(times.values).sum() < 3:
            raise ValueError(
                f"the neurons solve {np.isfinite(times.values).sum()} of {len(times)} images at "
                f"{self.threshold!r}, at least 3 are needed; give the images a lower threshold as "
                f"the coordinate {I1!r}, or wider time bins"
            )
        columns = {name: times[name].values for name in ("stimulus_id", self.decoder.label)}
        columns |= {I1: found["threshold_i1"].values}
        return BehavioralAssembly(
            times.values,
            dims=[PRESENTATION],
            coords={name: (PRESENTATION, values) for name, values in columns.items()},
        )

    def _reliability(self) -> Score:
        found = object_solution_reliability(
            self.trials, threshold=self.threshold, decoder=self.decoder
        )["reliability"]
        known = found.values[np.isfinite(found.values)]
        if not len(known) or known.mean() <= 0:
            raise ValueError(
                "object solution times of halves of the repetitions do not agree, so that there "
                "is no ceiling; give one, or data with more repetitions or wider time bins"
            )
        score = Score(known.mean())
        score.attrs["raw"] = Score(found.values, dims=["split"], coords={})
        score.attrs["error"] = known.std() / np.sqrt(len(known))
        return score


def over_time(metric: Metric, raw: Score, ceiling: Score) -> Score:
    r"""One number from a score over time.

    .. math:: \langle r_t^2 / c_t \rangle_t

    as Brain-Score's temporal benchmarks have it; grids of correlations and unique variances are
    brought to a number as their metrics say. Time bins whose ceiling is not above 0, as before the
    response begins, have no score and are left out of the mean, and so are those without a
    correlation, because model or neuroids do not vary; those of a small ceiling have a large and
    uncertain score, so that bins are to be chosen where neurons respond.

    Returns
    -------
    Score
        ``per_bin`` has the scores of all bins, NaN where there is no ceiling; ``raw`` and
        ``ceiling`` are means over the bins that count, whose own ``raw`` has all bins; ``error`` is
        the standard error over splits.

    Raises
    ------
    ValueError
        If the score has no time, or no time bin a ceiling.
    """
    if raw.ndim == 0:
        raise ValueError(
            f"{type(metric).__name__} gives no score over time; use one of TEMPORAL_METRICS, or "
            "give a single time bin"
        )
    limits = np.broadcast_to(np.asarray(ceiling.values, dtype=np.float64), raw.shape[-1:])
    counts = limits > 0
    if not counts.any():
        raise ValueError(
            "no time bin has a ceiling above 0, so that there is nothing to explain; choose "
            "time_bins in which the neurons respond"
        )
    limits = np.where(counts, limits, np.nan)
    corrected, number = _rules(metric)
    per_bin = _like(raw, corrected(raw.values, limits), raw=raw, ceiling=ceiling)
    score = Score(float(number(per_bin.values)))
    score.attrs["per_bin"] = per_bin
    score.attrs["raw"] = _summary(number(np.where(counts, raw.values, np.nan)), raw)
    score.attrs["ceiling"] = _summary(np.nanmean(limits), ceiling)
    each = raw.attrs.get("raw")
    if each is not None and each.sizes.get("split", 1) > 1:
        medians = each.median(NEUROID).transpose("split", *raw.dims).values
        of_splits = Score(number(corrected(medians, limits)), dims=["split"], coords={})
        score.attrs["error"] = over_splits(of_splits).attrs["error"]
    score.attrs["n_time_bins_without_ceiling"] = int((~counts).sum())
    return score


def _rules(metric: Metric) -> tuple[Callable[[Any, Any], np.ndarray], Callable[[Any], Any]]:
    """From a score and a ceiling to a corrected score, and from those of all bins to a number."""
    if isinstance(metric, CrossTemporalMetric):
        return (lambda r, c: r * np.abs(r) / c), metric.number
    if isinstance(metric, UniqueLateMetric):
        return (lambda variance, c: variance / c), mean_of_known
    return (lambda r, c: r**2 / c), mean_of_known


def _like(score: Score, values: np.ndarray, **attrs: Any) -> Score:
    found = score.copy(data=values)
    found.attrs = attrs
    return found


def _summary(value: Any, of: Score) -> Score:
    score = Score(float(value))
    score.attrs["raw"] = of
    return score


def _n_folds(trials: xr.DataArray, label: str) -> int:
    """As many folds of the images as each object has, ten at most."""
    objects = labels_of(trials, label)
    images = {*zip(trials["stimulus_id"].values.tolist(), objects.tolist(), strict=True)}
    fewest = min(Counter(name for _, name in images).values())
    if fewest < 2:
        raise ValueError(
            f"object solution times need at least 2 images of each of {label!r}, of which one is "
            "held out"
        )
    return min(10, fewest)
