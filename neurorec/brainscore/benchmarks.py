"""Benchmarks of Brain-Score on data sets that lie on this machine."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.assemblies import TIME_BIN_LIMITS, to_brainio
from neurorec.brainscore.ceiling_choice import (
    Ceiling,
    check_ceiling,
    chosen_ceiling,
    compares_matrices,
)
from neurorec.brainscore.commitments import check_degrees, check_trials
from neurorec.brainscore.local_data import loaded
from neurorec.brainscore.metrics import METRICS, WHOLE, metric
from neurorec.brainscore.object_solution_times import ObjectSolutionTimes
from neurorec.brainscore.rebinning import rebinned
from neurorec.brainscore.stimuli import stimulus_set_to_brainio
from neurorec.brainscore.temporal import TEMPORAL_METRICS, temporal_metric
from neurorec.brainscore.temporal_benchmark import ObjectSolutionBenchmark, TemporalBenchmark
from neurorec.datasets.fetch import cache_folder
from neurorec.datasets.neural_data import NeuralData
from neurorec.stimuli import StimulusSet

import_brainscore()

from brainscore_core.metrics import Metric  # noqa: E402
from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark  # noqa: E402

#: Degrees that stimuli span of which the data set does not say it. What Brain-Score's own
#: benchmarks of V4 and IT show is as wide.
USUAL_DEGREES: Final = 8
#: Raise it where the same data and metric give another score.
_VERSION: Final = 2


def benchmark(
    data: str | NeuralData,
    *,
    metric: Any = "pls",
    visual_degrees: float | int | None = None,
    session: str | None = None,
    region: str | None = None,
    time_bins: Any = None,
    rebin_ms: float | int | None = None,
    number_of_trials: int = 1,
    ceiling: float | int | str | None = None,
    folder: str | Path | None = None,
) -> NeuralBenchmark:
    """A data set with stimuli and responses as a benchmark, ``benchmark(model)`` is its score.

    Of data with several time bins the score is one number over all of them, see
    :func:`~neurorec.brainscore.temporal_benchmark.over_time`. The metric sees means over
    repetitions; the ceiling is a reliability that single trials have, and the score r² over it: of
    regressions Brain-Score's :func:`internal_consistency` of neuroids, of RDMs and CKA the
    :func:`matrix_reliability` of what they compare. Identifiers of the benchmark and of its stimuli
    hold a hash of their contents, so that what Brain-Score keeps under them is never another's.

    Parameters
    ----------
    data
        Name of a data set, or one that is loaded.
    metric
        A key of ``METRICS``, such as ``"pls"``, ``"ridge"``, ``"rdm"`` or ``"cka"``, one of
        :data:`~neurorec.brainscore.TEMPORAL_METRICS` where there are several time bins, or a metric
        object. Splits are balanced over ``object_name`` where the stimuli have it, but for
        ``"ost"``, whose definition does not.
    visual_degrees
        Width of the stimuli as the animal saw them; as the data set says if left out, and
        :data:`USUAL_DEGREES` if it does not say it.
    session
        Session of the data set; its default if left out.
    region
        Region whose neuroids count; needed where there are several.
    time_bins
        Start and end, in ms from stimulus onset, of the bins of which model and responses are
        compared; those of the data if left out. Responses are averaged over the bins inside.
    rebin_ms
        Width of bins from the start of the data on, instead; a rest at their end is left out.
    number_of_trials
        Trials that the model sees of each stimulus.
    ceiling
        Reliability of what the metric compares, for data that hold only means; 1 for a score that
        is not corrected. Or a key of ``CEILINGS``, ``"internal_consistency"`` or
        ``"matrix_reliability"``, for another than the metric's own. Of ``"ost"``, the reliability
        of the solution times.
    folder
        Where images are written as PNG; in the cache if left out.

    Raises
    ------
    ValueError
        If the data have no responses or no stimuli, the region is unclear, the metric is unknown or
        none for as many time bins, time bins are not made of whole ones of the data, a number is
        out of its range, or there are no repetitions and no ``ceiling``.
    """
    _check_numbers(visual_degrees, number_of_trials)
    check_ceiling(ceiling)
    data = loaded(data, session)
    _check_whole(data)
    responses = rebinned(_of_region(data, region), time_bins=time_bins, rebin_ms=rebin_ms)
    found, name = _metric(metric, responses)
    stimuli = _shown(data, responses)
    degrees = degrees_of(data, visual_degrees)
    of_times = isinstance(found, ObjectSolutionTimes)
    # Data without a ceiling are refused before images are written.
    limit = _times_ceiling(ceiling) if of_times else chosen_ceiling(responses, found, ceiling)
    objects = found.decoder.label if isinstance(found, ObjectSolutionTimes) else None
    digest = _digest(responses, limit.key if isinstance(limit, Ceiling) else (limit, objects))
    stimuli = replace(stimuli, identifier=f"{stimuli.identifier}-{stimuli.sha256()[:12]}")
    packed = to_brainio(_with_limits_alone(assemblies.average_repetitions(responses)))
    if packed.sizes["time_bin"] == 1:
        packed = packed.isel(time_bin=0)
    where = cache_folder() / "brainscore" if folder is None else Path(folder)
    packed.attrs["stimulus_set"] = stimulus_set_to_brainio(
        stimuli, where / stimuli.identifier, reuse=True
    )
    packed.attrs["stimulus_set_identifier"] = stimuli.identifier
    area = str(responses["region"].values[0])
    settings: dict[str, Any] = {
        "identifier": f"{data.identifier}.{area}-{name}-{digest[:12]}",
        "assembly": packed,
        "similarity_metric": found,
        "visual_degrees": degrees,
        "number_of_trials": number_of_trials,
        "version": _VERSION,
        "parent": area,
        "bibtex": None,
    }
    if not isinstance(limit, Ceiling):
        return ObjectSolutionBenchmark(trials=responses, ceiling=limit, **settings)
    kind = TemporalBenchmark if responses.sizes["time_bin"] > 1 else NeuralBenchmark
    return kind(ceiling_func=limit, **settings)


def degrees_of(
    data: NeuralData, given: float | int | None, usual: float | int = USUAL_DEGREES
) -> float | int:
    """How wide the stimuli were: as given, else as the data set says, else as usual."""
    said = None if data.stimuli is None else data.stimuli.visual_degrees
    known = said if given is None else given
    return usual if known is None else known


def _check_numbers(visual_degrees: float | int | None, number_of_trials: int) -> None:
    if visual_degrees is not None:
        check_degrees(visual_degrees)
    check_trials(number_of_trials)


def _check_whole(data: NeuralData) -> None:
    if data.assembly is None or data.stimuli is None:
        lacks = (
            "responses"
            if data.assembly is None
            else "stimuli, which a model would have to see; analyses of the responses alone, such "
            "as neurorec.dynamics.object_solution_times, work without"
        )
        raise ValueError(
            f"a benchmark needs responses and the stimuli they are to; {data.identifier} has no "
            f"{lacks}"
        )


def _of_region(data: NeuralData, region: str | None) -> xr.DataArray:
    assert data.assembly is not None
    regions = np.unique(data.assembly["region"].values).tolist()
    if region is None:
        if len(regions) > 1:
            raise ValueError(f"{data.identifier} has neuroids of {regions}; give one as region")
        region = str(regions[0])
    check_option("region", region, regions)
    inside = np.flatnonzero(data.assembly["region"].values == region)
    return data.assembly.isel({NEUROID: inside})


def _shown(data: NeuralData, responses: xr.DataArray) -> StimulusSet:
    """The stimuli that have responses."""
    assert data.stimuli is not None
    known = set(responses["stimulus_id"].values.tolist())
    taken = [i for i, s in enumerate(data.stimuli.stimulus_ids) if s in known]
    return data.stimuli.select(np.asarray(taken))


def _with_limits_alone(responses: xr.DataArray) -> xr.DataArray:
    """Without further labels of time bins, which a ``ModelCommitment`` cannot take apart."""
    further = set(columns_of(responses, TIME_BIN)) - set(TIME_BIN_LIMITS)
    return responses.drop_vars(sorted(further))


def _metric(given: Any, responses: xr.DataArray) -> tuple[Metric, str]:
    n_time_bins = responses.sizes["time_bin"]
    if not isinstance(given, str):
        name = type(given).__name__
        _check_one_time_bin(given, name, n_time_bins)
        return given, name
    check_option("metric", given, (*METRICS, *TEMPORAL_METRICS))
    found = _named(given, responses)
    _check_one_time_bin(found, given, n_time_bins)
    if given in TEMPORAL_METRICS and n_time_bins < 2:
        raise ValueError(
            f"metric {given!r} needs at least 2 time bins and the responses have 1; use one of "
            f"{sorted(METRICS)}, or data with a time course"
        )
    return found, given


def _named(name: str, responses: xr.DataArray) -> Metric:
    if name in WHOLE:
        return metric(name)
    labelled = "object_name" in responses.coords
    if name == "ost":
        return temporal_metric(name, label="object_name")
    make = temporal_metric if name in TEMPORAL_METRICS else metric
    return make(name, stratification_coord="object_name" if labelled else None)


def _check_one_time_bin(found: Metric, name: str, n_time_bins: int) -> None:
    if compares_matrices(found) and n_time_bins > 1:
        raise ValueError(
            f"metric {name!r} compares a single time bin and the responses have {n_time_bins}; "
            "give one, such as time_bins=[(70, 170)]"
        )


def _times_ceiling(given: float | int | str | None) -> float | None:
    """Of object solution times, whose own ceiling has no name."""
    if isinstance(given, str):
        raise ValueError(
            f"the ceiling of 'ost' is the agreement of solution times of halves, or a number, got "
            f"{given!r}; leave it out"
        )
    return None if given is None else float(given)


def _digest(responses: xr.DataArray, ceiling: Any) -> str:
    """SHA-256 of the numbers and all their labels, and of all else that the ceiling is made of."""
    found = hashlib.sha256(np.ascontiguousarray(responses.values).tobytes())
    for name in sorted(map(str, responses.coords)):
        found.update(repr((name, responses[name].values.tolist())).encode())
    found.update(repr((_VERSION, ceiling)).encode())
    return found.hexdigest()
