"""Scores of areas and timesteps as one labelled result."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import xarray as xr

from neurorec import __version__
from neurorec.assemblies import TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.at_timestep import Layers
from neurorec.brainscore.benchmark_parts import responses_of

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402
from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark  # noqa: E402

QUANTITIES: Final = ("score", "raw", "ceiling", "error")
_DIMS: Final = ("area", "timestep", TIME_BIN)
_MS: Final = {"units": "ms"}


def layer_dataset(
    cells: Sequence[Sequence[Score]], layers: Layers, benchmark: Any, metric: str
) -> xr.Dataset:
    """Scores by area and timestep, with what they are made of and when each was."""
    n_bins = max(_part(score, "score").size for row in cells for score in row)
    numbers = {name: _values(cells, name, n_bins) for name in QUANTITIES}
    starts, ends = np.array(layers.limits).T
    coords = {
        "area": list(layers.areas),
        "timestep": list(layers.timesteps),
        "model_time_start": ("timestep", starts, _MS),
        "model_time_end": ("timestep", ends, _MS),
    }
    dims = _DIMS if n_bins > 1 else _DIMS[:2]
    found = {name: (dims, v if n_bins > 1 else v[..., 0]) for name, v in numbers.items()}
    return xr.Dataset(
        found,
        coords=coords | _bins(benchmark, n_bins),
        attrs=_attrs(layers, str(benchmark.identifier), metric) | _simulated(benchmark),
    )


def _values(cells: Sequence[Sequence[Score]], name: str, n_bins: int) -> np.ndarray:
    """(area, timestep, time_bin)."""
    return np.array([[_over_bins(_part(score, name), n_bins) for score in row] for row in cells])


def _over_bins(part: np.ndarray, n_bins: int) -> np.ndarray:
    """One for each time bin, or for all; NaN where it is of splits or neuroids."""
    fits = part.size in (1, n_bins)
    return np.broadcast_to(part if fits else np.nan, n_bins)


def _part(score: Score, name: str) -> np.ndarray:
    """A score, or what it is made of; NaN where it does not say."""
    found = score if name == "score" else score.attrs.get(name, np.nan)
    return np.ravel(np.asarray(getattr(found, "values", found), dtype=np.float64))


def _bins(benchmark: Any, n_bins: int) -> dict[str, Any]:
    """When the responses were recorded, where that is known."""
    if not isinstance(benchmark, NeuralBenchmark):
        return {}
    columns = columns_of(responses_of(benchmark), TIME_BIN)
    limits = {k: columns[k] for k in ("time_bin_start", "time_bin_end")}
    if any(len(v) != n_bins for v in limits.values()):
        return {}
    if n_bins == 1:
        return {k: ((), v[0], _MS) for k, v in limits.items()}
    return {k: (TIME_BIN, v, _MS) for k, v in limits.items()}


def _attrs(layers: Layers, benchmark: str, metric: str) -> dict[str, Any]:
    model = layers.model.identifier
    provenance = {
        "model": model,
        "benchmark": benchmark,
        "metric": metric,
        "areas": list(layers.areas),
        "timesteps": list(layers.timesteps),
        "onset_ms": float(layers.model.timeline.onset_ms),
        "dt_ms": float(layers.model.timeline.dt_ms),
        "neurorec": __version__,
        "brainscore_vision": version("brainscore_vision"),
    }
    return {
        "benchmark": benchmark,
        "model": model,
        "metric": metric,
        "dt_ms": float(layers.model.timeline.dt_ms),
        "provenance": json.dumps(provenance),
    }


def _simulated(benchmark: Any) -> dict[str, int]:
    """What figures must say, where the responses do; netCDF has no booleans."""
    said = benchmark._assembly.attrs if isinstance(benchmark, NeuralBenchmark) else {}
    return {"simulated": 1} if said.get("simulated", False) else {}
