"""Brain-Score's regression metrics in sample space: the same scores on the same splits."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import match
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.assemblies import from_brainio
from neurorec.encoding import PLS, RandomSplits, Ridge
from neurorec.encoding.readout import SampleSpaceReadout
from neurorec.gram import gram, resolve_device
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

# What stands for the time of an assembly that has none; it crosses no border.
_NO_TIME: Final = (0, 1)


@final
class SampleSpaceMetric(Metric):
    r"""Cross-validated correlation of a linear readout of a model with recorded responses.

    Pearson's r over held-out stimuli, the median over neuroids, the mean over splits; ``raw`` has
    (split, neuroid), ``error`` the standard error over splits. Of assemblies with several time bins
    each bin of the model predicts the same bin of the responses, and the score has a ``time_bin``.

    Parameters
    ----------
    readout
        A readout that needs only inner products of features.
    n_splits, train_size, stratification_coord, random_state
        As ``crossvalidation_kwargs`` of Brain-Score's metrics, with their defaults: nine tenths of
        the stimuli train, balanced over ``object_name``; None for no balance.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        readout: SampleSpaceReadout,
        *,
        n_splits: int = 10,
        train_size: float = 0.9,
        stratification_coord: str | None = "object_name",
        random_state: int = 1,
        device: str = "cpu",
    ) -> None:
        self.readout = readout
        self.splits = RandomSplits(
            n_splits=n_splits,
            test_fraction=1 - train_size,
            seed=random_state,
            stratify=stratification_coord,
        )
        self.device = device

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """Score of the model ``source`` against the responses ``target``.

        Raises
        ------
        ValueError
            If they have different stimuli or time bins, a stimulus is repeated, or activity is not
            finite.
        """
        features, responses = paired(source, target)
        grams = gram(features, centred=True, device=self.device)
        scores = _scores(self.readout, grams, responses, self.splits, resolve_device(self.device))
        return neuroid_score(scores, responses)


def paired(source: DataAssembly, target: DataAssembly) -> tuple[xr.DataArray, xr.DataArray]:
    """Model and responses as plain assemblies, with the model's stimuli in the responses' order.

    Raises
    ------
    ValueError
        If they have different stimuli or numbers of time bins, or a stimulus is repeated.
    """
    features, responses = _plain(source), _plain(target)
    return _aligned(features, responses), responses


def _plain(assembly: DataAssembly) -> xr.DataArray:
    timeless = "time_bin" not in assembly.dims and "time_bin_start" not in assembly.coords
    if timeless and "time_bin" not in assembly.coords:
        return from_brainio(assembly, time_bin_ms=_NO_TIME)
    return from_brainio(assembly)


def _aligned(features: xr.DataArray, responses: xr.DataArray) -> xr.DataArray:
    ids, ids_b = features["stimulus_id"].values, responses["stimulus_id"].values
    if set(ids) != set(ids_b):
        raise ValueError(
            f"model and responses have different stimuli: {len(set(ids))} and {len(set(ids_b))}, "
            f"{len(set(ids) & set(ids_b))} in both; show the model the stimuli of the benchmark"
        )
    if features.sizes["time_bin"] != responses.sizes["time_bin"]:
        raise ValueError(
            f"the model has {features.sizes['time_bin']} time bins and the responses have "
            f"{responses.sizes['time_bin']}; record the time bins of the benchmark"
        )
    return features.isel(presentation=match(ids_b.tolist(), features))


def _scores(
    readout: SampleSpaceReadout,
    grams: Float64[Tensor, "time_bin row row"],
    responses: xr.DataArray,
    splits: RandomSplits,
    device: torch.device,
) -> Float64[np.ndarray, "split neuroid time_bin"]:
    y = torch.from_numpy(responses.values.astype(np.float64)).to(device)
    rows = []
    for train, test in splits.split(responses):
        predicted = [
            readout.predict_from_gram(one, y[..., t : t + 1], train, test).held_out
            for t, one in enumerate(grams)
        ]
        held_out = torch.cat(predicted, dim=2).cpu().numpy()
        rows.append(pearson(held_out, responses.values[test]))
    return np.stack(rows)


def _pls(**options: Any) -> SampleSpaceMetric:
    return SampleSpaceMetric(PLS(25), **options)


def _ridge(**options: Any) -> SampleSpaceMetric:
    return SampleSpaceMetric(Ridge(penalties=[1.0]), **options)


#: By the name that the metric has in Brain-Score. Tests run over this table.
METRICS: Final[Mapping[str, Callable[..., SampleSpaceMetric]]] = MappingProxyType(
    {"pls": _pls, "ridge": _ridge}
)


def metric(name: str, **options: Any) -> SampleSpaceMetric:
    """A metric of Brain-Score by its name, computed in sample space.

    Parameters
    ----------
    name
        A key of ``METRICS``.
    options
        Those of :class:`SampleSpaceMetric`.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    return METRICS[check_option("metric", name, METRICS)](**options)
