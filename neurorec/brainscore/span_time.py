"""One readout for all time bins: its weights are fitted to all of them together."""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import paired
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.encoding.readout import Prediction, SampleSpaceReadout
from neurorec.gram import gram, resolve_device
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)


@final
class SpanTimeMetric(Metric):
    r"""Correlation with what one readout predicts in each time bin.

    .. math:: \min_{W, b} \; \sum_t \lVert Y_t - X_t W - b \rVert^2 + \dots

    with the rows of all time bins as samples, as ``spantime_pls`` and ``spantime_ridge`` of
    Brain-Score have it. Held-out stimuli are held out in all time bins. Pearson's r in each, the
    median over neuroids, the mean over splits.

    Parameters
    ----------
    readout, options
        As :class:`SampleSpaceMetric` takes them.

    Notes
    -----
    Memory holds the square of the number of rows (stimuli times time bins), or of features where
    these are fewer than half as many.
    """

    def __init__(self, readout: SampleSpaceReadout, **options: Any) -> None:
        self.within = SampleSpaceMetric(readout, **options)

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """Score of the model ``source``, over ``time_bin``.

        Raises
        ------
        ValueError
            If they have different stimuli or time bins, a stimulus is repeated, or activity is not
            finite.
        """
        features, responses = paired(source, target)
        predict = _predictor(self.within, stacked(features))
        columns = torch.from_numpy(stacked(responses)[:, :, None])
        columns = columns.to(resolve_device(self.within.device))
        n, n_bins = len(responses), responses.sizes["time_bin"]
        scores = []
        for train, test in self.within.splits.split(responses):
            fitted, tried = (everywhere(part, n, n_bins) for part in (train, test))
            held_out = predict(columns, fitted, tried).held_out
            scores.append(correlations(held_out[..., 0], responses, test))
        return neuroid_score(np.stack(scores), responses)


def _predictor(
    within: SampleSpaceMetric, rows: Float64[np.ndarray, "row feature"]
) -> Callable[..., Prediction]:
    # Inner products of rows are made once for all splits, so that they may be more numbers.
    if 2 * rows.shape[1] < len(rows):
        features = torch.from_numpy(rows - rows.mean(axis=0)).to(resolve_device(within.device))
        return partial(within.of_inner_products.predict_from_features, features)
    table = gram(rows[:, :, None], centred=True, device=within.device)[0]
    return partial(within.of_inner_products.predict_from_gram, table)


def stacked(assembly: xr.DataArray) -> Float64[np.ndarray, "row neuroid"]:
    """All presentations of the first time bin, then those of the second, and so on.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    values = assembly.values.transpose(2, 0, 1)
    if not np.isfinite(values).all():
        raise ValueError("the activity holds NaN or infinite values; drop those units or stimuli")
    return np.ascontiguousarray(values, dtype=np.float64).reshape(-1, values.shape[2])


def everywhere(
    stimuli: Int64[np.ndarray, " stimulus"], n_stimuli: int, n_bins: int
) -> Int64[np.ndarray, " row"]:
    """Rows of some stimuli in all time bins, one bin after the other."""
    return (n_stimuli * np.arange(n_bins)[:, None] + stimuli).ravel()


def correlations(
    predicted: Float64[Tensor, "row neuroid"],
    responses: xr.DataArray,
    test: Int64[np.ndarray, " stimulus"],
) -> Float64[np.ndarray, "neuroid time_bin"]:
    """Pearson's r of predictions for the stimuli ``test``, one bin after the other."""
    values = predicted.cpu().numpy().reshape(-1, len(test), predicted.shape[1])
    return pearson(values.transpose(1, 2, 0), responses.values[test])
