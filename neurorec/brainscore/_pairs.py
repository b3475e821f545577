"""Model and responses as every metric takes them: plain, with the same stimuli in one order."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from neurorec.assemblies import NEUROID, PRESENTATION, match
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.assemblies import from_brainio
from neurorec.stats import pearson
from neurorec.stats.correlation import is_constant

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

# What stands for the time of an assembly that has none; it crosses no border.
_NO_TIME: Final = (0, 1)


def plain(assembly: DataAssembly) -> xr.DataArray:
    """Plain assembly with time bins; one that stands for all time if there are none."""
    timeless = "time_bin" not in assembly.dims and "time_bin_start" not in assembly.coords
    if timeless and "time_bin" not in assembly.coords:
        return from_brainio(assembly, time_bin_ms=_NO_TIME)
    return from_brainio(assembly)


def aligned(features: xr.DataArray, responses: xr.DataArray) -> xr.DataArray:
    """Features with the stimuli of the responses, in their order.

    Raises
    ------
    ValueError
        If stimuli or numbers of time bins differ, or a stimulus is repeated.
    """
    ids, ids_b = features["stimulus_id"].values, responses["stimulus_id"].values
    if set(ids) != set(ids_b):
        raise ValueError(
            f"model and responses have different stimuli: {len(set(ids))} and {len(set(ids_b))}, "
            f"{len(set(ids) & set(ids_b))} in both; show the model the stimuli of the benchmark"
        )
    if len(ids_b) != len(set(ids_b)):
        raise ValueError(
            f"the responses have {len(ids_b)} presentations of {len(set(ids_b))} stimuli; average "
            "repetitions first"
        )
    if features.sizes["time_bin"] != responses.sizes["time_bin"]:
        raise ValueError(
            f"the model has {features.sizes['time_bin']} time bins and the responses have "
            f"{responses.sizes['time_bin']}; record the time bins of the benchmark"
        )
    if np.array_equal(ids, ids_b):
        return features  # activity may be large: no copy where none is needed
    return features.isel({PRESENTATION: match(ids_b.tolist(), features)})


def paired(source: DataAssembly, target: DataAssembly) -> tuple[xr.DataArray, xr.DataArray]:
    """Model and responses as plain assemblies, with the model's stimuli in the responses' order.

    Raises
    ------
    ValueError
        As :func:`aligned`.
    """
    features, responses = plain(source), plain(target)
    return aligned(features, responses), responses


class AbstractPairMetric(Metric):
    """A metric of model and responses with the same stimuli and time bins."""

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """Score of the model ``source`` against the responses ``target``.

        Raises
        ------
        ValueError
            If they have different stimuli or time bins, a stimulus is repeated, or activity is not
            finite.
        """
        return self.of_pair(*paired(source, target))

    @abstractmethod
    def of_pair(self, features: xr.DataArray, responses: xr.DataArray) -> Score:
        """The same, of plain assemblies with the same stimuli in the same order."""


def same_neuroids(assembly: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """The assembly with its neuroids in the order of another.

    Raises
    ------
    ValueError
        If they have different neuroids, or one is there twice.
    """
    ids, ids_b = assembly["neuroid_id"].values, like["neuroid_id"].values
    where = {identifier: i for i, identifier in enumerate(ids.tolist())}
    if len(where) != len(ids) or len(ids) != len(ids_b) or set(ids) != set(ids_b):
        raise ValueError(
            f"training and test responses have different neuroids, {len(ids_b)} and {len(ids)}, "
            f"or some are there twice; give the same neuroids of one neuroid_id each"
        )
    return assembly.isel({NEUROID: [where[i] for i in ids_b.tolist()]})


def correlations(
    predicted: Float[np.ndarray, "test neuroid time_bin"],
    measured: Float[np.ndarray, "test neuroid time_bin"],
) -> Float64[np.ndarray, "neuroid time_bin"]:
    """Pearson's r over stimuli; NaN where a side is constant, which medians then leave out.

    This is what SciPy's correlation, and with it Brain-Score, makes of a neuroid that is silent on
    the held-out stimuli.
    """
    undefined = is_constant(predicted) | is_constant(measured)
    return np.where(undefined, np.nan, pearson(predicted, measured))


def correlations_of_folds(
    predicted: Sequence[Float[np.ndarray, "..."]],
    responses: xr.DataArray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Float64[np.ndarray, "split neuroid time_bin"]:
    """Correlations of the predictions (test, neuroid, time_bin) of each fold."""
    measured = responses.values.astype(np.float64)
    pairs = zip(predicted, folds, strict=True)
    return np.stack([correlations(one, measured[test]) for one, (_, test) in pairs])
