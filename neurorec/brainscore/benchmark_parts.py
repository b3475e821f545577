"""What one of Brain-Score's neural benchmarks is made of, where its call is the plain one."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.assemblies import from_brainio
from neurorec.brainscore.shown import as_brainio
from neurorec.brainscore.stimuli import BrainIOStimulusSet
from neurorec.brainscore.temporal_benchmark import TemporalBenchmark

import_brainscore()

from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark  # noqa: E402
from brainscore_vision.benchmark_helpers.screen import place_on_screen  # noqa: E402


def is_plain(benchmark: Any) -> bool:
    """Whether it records once, calls a metric, and normalises by r² over the ceiling."""
    calls = (NeuralBenchmark.__call__, TemporalBenchmark.__call__)
    return isinstance(benchmark, NeuralBenchmark) and type(benchmark).__call__ in calls


def responses_of(benchmark: NeuralBenchmark) -> xr.DataArray:
    """Responses (presentation, neuroid, time_bin), as plain coordinates."""
    assembly = benchmark._assembly
    known = {TIME_BIN, "time_bin_start"} & {*assembly.dims, *assembly.coords}
    # What stands for the time of an assembly that has none; it goes no further.
    return from_brainio(assembly, time_bin_ms=None if known else (0, 1))


def stimuli_on_screen(
    benchmark: NeuralBenchmark, visual_degrees: float | int
) -> BrainIOStimulusSet:
    """The benchmark's stimuli on a screen of a model's ``visual_degrees``."""
    placed = place_on_screen(
        benchmark._assembly.stimulus_set,
        target_visual_degrees=visual_degrees,
        source_visual_degrees=benchmark._visual_degrees,
    )
    return as_brainio(placed)


def places(stimuli: BrainIOStimulusSet, responses: xr.DataArray) -> np.ndarray:
    """Where the stimuli of ``responses`` are among those that are shown.

    Raises
    ------
    ValueError
        If there is not one response to each.
    """
    shown = [str(name) for name in stimuli["stimulus_id"]]
    recorded = [str(name) for name in responses["stimulus_id"].values]
    if set(shown) != set(recorded) or len(set(recorded)) < len(recorded):
        raise ValueError(
            f"the benchmark shows {len(set(shown))} stimuli and has {len(recorded)} responses, to "
            f"{len(set(recorded) & set(shown))} of them; it needs one mean response to each"
        )
    place = {name: number for number, name in enumerate(shown)}
    return np.array([place[name] for name in recorded])
